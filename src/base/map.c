/* map.c - see map.h */
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

at_status at_map_open(at_map *map, const char *path, at_error *err)
{
    memset(map, 0, sizeof *map);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return at_fail(err, at_status_of_errno(errno), "%s: cannot open (%s)", path,
                       strerror(errno));
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        const bool dir = S_ISDIR(info.st_mode);
        close(fd);
        return at_fail(err, AT_E_NOT_FOUND, "%s: not a regular file%s", path,
                       dir ? " (a directory)" : "");
    }
    at_status st = AT_OK;
    if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            st = at_fail(err, AT_E_OUT_OF_MEMORY, "%s: cannot map %lld bytes (%s)", path,
                         (long long)info.st_size, strerror(errno));
        } else {
            map->data = data;
            map->size = (size_t)info.st_size;
            map->owned = true;
        }
    }
    close(fd);
    return st;
}

void at_map_close(at_map *map)
{
    if (map->owned && map->data) munmap((void *)(uintptr_t)map->data, map->size);
    memset(map, 0, sizeof *map);
}

void at_map_drop(const at_map *map, size_t offset, size_t size)
{
    if (!map->owned || offset > map->size || size > map->size - offset) return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = at_round_up(offset, page);
    const size_t last = (offset + size) / page * page;
    if (last > first) madvise((void *)(uintptr_t)(map->data + first), last - first, MADV_DONTNEED);
}

void at_map_need(const at_map *map, size_t offset, size_t size)
{
    if (!map->owned || offset > map->size || size > map->size - offset) return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = offset / page * page;
    madvise((void *)(uintptr_t)(map->data + first), offset + size - first, MADV_WILLNEED);
}
