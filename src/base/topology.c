/* topology.c - see topology.h. Threads of ours never wait for memory long enough that a second one on the
 * same core would help: products run at the core's peak, so that the default is a thread a core. */
#include "base/topology.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH = 4608 };

/* First line of a file, without its line feed. */
static bool first_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f) return false;
    const bool ok = fgets(out, (int)size, f) != NULL;
    (void)fclose(f);
    if (ok) out[strcspn(out, "\n")] = 0;
    return ok;
}

/* "0-3,8,10-11": each number below AT_MAX_CPUS gets `value`; text that is none ends it. */
static void set_list(const char *text, int16_t *at, int16_t value)
{
    for (const char *s = text; *s >= '0' && *s <= '9';) {
        char *end;
        const long first = strtol(s, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long i = first; i <= last && i < AT_MAX_CPUS; i++)
            at[i] = value;
        s = *end == ',' ? end + 1 : end;
        if (s == end) return;
    }
}

void at_cpu_map_read(at_cpu_map *map, const char *root)
{
    enum { NODES = 256 };
    char path[PATH];
    char line[1024];
    int16_t there[AT_MAX_CPUS] = {0};
    int16_t nodes[AT_MAX_CPUS] = {0};
    memset(map, 0xff, sizeof *map);
    (void)snprintf(path, sizeof path, "%s/sys/devices/system/cpu/possible", root);
    if (first_line(path, line, sizeof line)) set_list(line, there, 1);
    for (int i = 0; i < AT_MAX_CPUS; i++) {
        if (!there[i] || map->core[i] >= 0) continue; // a sibling told it
        (void)snprintf(path, sizeof path,
                       "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, i);
        if (first_line(path, line, sizeof line)) set_list(line, map->core, (int16_t)i);
    }
    (void)snprintf(path, sizeof path, "%s/sys/devices/system/node/online", root);
    if (first_line(path, line, sizeof line)) set_list(line, nodes, 1);
    for (int i = 0; i < NODES; i++) {
        (void)snprintf(path, sizeof path, "%s/sys/devices/system/node/node%d/cpulist", root, i);
        if (nodes[i] && first_line(path, line, sizeof line)) set_list(line, map->node, (int16_t)i);
    }
}

/* cpu.max of version 2: "max 100000", "150000 100000". */
static int quota_of_max(const char *path)
{
    char line[64];
    long quota = 0;
    long period = 0;
    if (!first_line(path, line, sizeof line)) return 0;
    char *end;
    quota = strtol(line, &end, 10);
    if (end == line) return 0;
    period = strtol(end, NULL, 10);
    return quota > 0 && period > 0 ? (int)((quota - 1) / period + 1) : 0;
}

/* cpu.cfs_quota_us and its period of version 1: -1 is none. */
static int quota_of_cfs(const char *folder)
{
    char path[PATH + 32];
    char line[64];
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    const long quota = first_line(path, line, sizeof line) ? strtol(line, NULL, 10) : 0;
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    const long period = first_line(path, line, sizeof line) ? strtol(line, NULL, 10) : 0;
    return quota > 0 && period > 0 ? (int)((quota - 1) / period + 1) : 0;
}

/* The least quota of a group and of those above it, up to the mount: any of them holds. */
static int least_quota(const char *mount, const char *group, bool v2)
{
    char path[PATH];
    int least = 0;
    // a group outside the namespace ("/../x") is not seen from here; the mount's own is
    int len = snprintf(path, sizeof path, "%s%s", mount, strstr(group, "..") ? "" : group);
    const size_t end = strlen(mount);
    while (len > 0 && (size_t)len < sizeof path - 32 && (size_t)len >= end) {
        char file[PATH + 32];
        (void)snprintf(file, sizeof file, "%s%s", path, v2 ? "/cpu.max" : "");
        const int q = v2 ? quota_of_max(file) : quota_of_cfs(path);
        if (q > 0 && (least == 0 || q < least)) least = q;
        char *slash = strrchr(path, '/');
        if (!slash || (size_t)(slash - path) < end) break;
        *slash = 0;
        len = (int)(slash - path);
    }
    return least;
}

/* Is "cpu" one of the controllers "cpu,cpuacct"? */
static bool has_cpu(const char *controllers, size_t n)
{
    for (size_t i = 0; i + 3 <= n; i++) {
        if (strncmp(controllers + i, "cpu", 3) == 0 && (i == 0 || controllers[i - 1] == ',') &&
            (i + 3 == n || controllers[i + 3] == ','))
            return true;
    }
    return false;
}

int at_cgroup_quota(const char *root)
{
    char path[PATH];
    char line[PATH];
    int least = 0;
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) { // "4:cpu,cpuacct:/a/b", "0::/a/b"
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':');
        char *group = names ? strchr(names + 1, ':') : NULL;
        if (!group) continue;
        names++;
        *group++ = 0;
        const bool v2 = !*names;
        if (!v2 && !has_cpu(names, strlen(names))) continue;
        char mount[PATH];
        (void)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root, v2 ? "" : "/", names);
        if (!v2 && access(mount, F_OK) != 0)
            (void)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
        const int q = least_quota(mount, strcmp(group, "/") == 0 ? "" : group, v2);
        if (q > 0 && (least == 0 || q < least)) least = q;
    }
    if (f) (void)fclose(f);
    return least;
}

at_topology at_topology_of(const at_cpu_map *map, const bool *allowed, int n, int quota)
{
    at_topology t = {.quota = quota};
    static const int16_t unknown = -1;
    bool core[AT_MAX_CPUS] = {false};
    bool node[256] = {false};
    for (int i = 0; i < n && i < AT_MAX_CPUS; i++) {
        if (!allowed[i]) continue;
        t.cpus++;
        const int c = map->core[i] == unknown ? i : map->core[i];
        t.cores += !core[c];
        core[c] = true;
        const int k = map->node[i] == unknown ? 0 : map->node[i];
        t.nodes += !node[k];
        node[k] = true;
    }
    if (t.cpus == 0) t.cpus = t.cores = t.nodes = 1;
    return t;
}

static at_cpu_map here;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_here(void)
{
    at_cpu_map_read(&here, "");
}

at_topology at_topology_now(void)
{
    bool allowed[AT_MAX_CPUS] = {false};
    int n = 0;
    pthread_once(&once, read_here);
#if defined(__linux__)
    cpu_set_t *set = CPU_ALLOC(AT_MAX_CPUS);
    const size_t size = CPU_ALLOC_SIZE(AT_MAX_CPUS);
    const bool told = set && sched_getaffinity(0, size, set) == 0;
    for (int i = 0; told && i < AT_MAX_CPUS; i++) {
        allowed[i] = CPU_ISSET_S((size_t)i, size, set);
        if (allowed[i]) n = i + 1;
    }
    if (set) CPU_FREE(set);
#endif
    const long online = n ? 0 : sysconf(_SC_NPROCESSORS_ONLN);
    for (; n < online && n < AT_MAX_CPUS; n++)
        allowed[n] = true;
    return at_topology_of(&here, allowed, n, at_cgroup_quota(""));
}

int at_cpu_count(void)
{
    const at_topology t = at_topology_now();
    return t.quota > 0 && t.quota < t.cores ? t.quota : t.cores;
}
