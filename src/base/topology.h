/* topology.h - the processors this process may use: threads, cores, memory nodes, quota. */
#ifndef AT_BASE_TOPOLOGY_H
#define AT_BASE_TOPOLOGY_H

#include "base/base.h"

enum { AT_MAX_CPUS = 4096 };

/* Where each processor is, of a kernel's files; -1 where they do not say. */
typedef struct at_cpu_map {
    int16_t core[AT_MAX_CPUS]; // the least processor of the same core: hyper-threads have one
    int16_t node[AT_MAX_CPUS]; // of memory
} at_cpu_map;

typedef struct at_topology {
    int cpus;  // that may be used, hyper-threads counted each; at least 1
    int cores; // they belong to so many cores
    int nodes; // and so many memory nodes
    int quota; // of the control group, in processors rounded up; 0: none
} at_topology;

/* Reads ROOT/sys/devices/system; `root` "" is this machine, another one a test's. */
void at_cpu_map_read(at_cpu_map *map, const char *root);
/* The least quota of ROOT/proc/self/cgroup's groups and those above them, versions 1 and 2; 0: none. */
int at_cgroup_quota(const char *root);
/* Of the processors i < n with allowed[i]. */
at_topology at_topology_of(const at_cpu_map *map, const bool *allowed, int n, int quota);
/* Of the calling thread, now: its affinity may have been changed. */
at_topology at_topology_now(void);

#endif
