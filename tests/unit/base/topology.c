/* Cores, nodes and quotas of machines that are files in a folder. */
#include "base/topology.h"

#include "tests_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/anytag-topology-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", root, name);
    for (char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = 0;
        (void)mkdir(path, 0700);
        *s = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int begin(void **state)
{
    (void)state;
    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

/* Two nodes of two cores, two threads each: 0 and 4 are one core, 1 and 5, ... */
static void two_nodes(at_cpu_map *map)
{
    put("/sys/devices/system/cpu/possible", "0-7\n");
    for (int i = 0; i < 8; i++) {
        char name[96], list[16];
        (void)snprintf(name, sizeof name,
                       "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
        (void)snprintf(list, sizeof list, "%d,%d\n", i % 4, i % 4 + 4);
        put(name, list);
    }
    put("/sys/devices/system/node/online", "0-1\n");
    put("/sys/devices/system/node/node0/cpulist", "0-1,4-5\n");
    put("/sys/devices/system/node/node1/cpulist", "2-3,6-7\n");
    at_cpu_map_read(map, root);
}

static void threads_of_a_core_are_counted_once(void **state)
{
    (void)state;
    static at_cpu_map map;
    two_nodes(&map);
    static const struct {
        bool allowed[8];
        int cpus, cores, nodes;
    } cases[] = {
        {{1, 1, 1, 1, 1, 1, 1, 1}, 8, 4, 2},
        {{1, 0, 0, 0, 1, 0, 0, 0}, 2, 1, 1}, // both threads of one core
        {{0, 0, 0, 0, 1, 1, 0, 0}, 2, 2, 1}, // the second threads of two
        {{1, 0, 0, 0, 0, 0, 0, 1}, 2, 2, 2},
        {{0}, 1, 1, 1}, // nothing is known
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        const at_topology t = at_topology_of(&map, cases[i].allowed, 8, 0);
        assert_int_equal(t.cpus, cases[i].cpus);
        assert_int_equal(t.cores, cases[i].cores);
        assert_int_equal(t.nodes, cases[i].nodes);
    }
}

static void a_machine_that_says_nothing_has_a_core_a_processor(void **state)
{
    (void)state;
    static at_cpu_map map;
    put("/sys/devices/system/cpu/possible", "0-2,x\n");
    put("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "-7,99999999\n");
    at_cpu_map_read(&map, root);
    const bool all[3] = {1, 1, 1};
    const at_topology t = at_topology_of(&map, all, 3, 0);
    assert_int_equal(t.cores, 3);
    assert_int_equal(t.nodes, 1);
}

static void the_least_quota_of_all_groups_holds(void **state)
{
    (void)state;
    assert_int_equal(at_cgroup_quota(root), 0);
    put("/proc/self/cgroup", "0::/a/b\n");
    assert_int_equal(at_cgroup_quota(root), 0);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(at_cgroup_quota(root), 0);
    put("/sys/fs/cgroup/a/cpu.max", "250000 100000\n"); // of the group above: 2.5
    assert_int_equal(at_cgroup_quota(root), 3);
    put("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    assert_int_equal(at_cgroup_quota(root), 1);
    put("/sys/fs/cgroup/a/b/cpu.max", "hostile\n");
    assert_int_equal(at_cgroup_quota(root), 3);
    put("/proc/self/cgroup", "0::/../x\n"); // outside the namespace: the mount's own
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_int_equal(at_cgroup_quota(root), 4);
}

static void version_1_has_quotas_too(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "9:name=systemd:/\n3:cpuset:/\n2:cpu,cpuacct:/box\n");
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    assert_int_equal(at_cgroup_quota(root), 0);
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "150000\n");
    assert_int_equal(at_cgroup_quota(root), 2);
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n"); // the usual mount comes first
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(at_cgroup_quota(root), 1);
}

static void this_machine_has_a_core(void **state)
{
    (void)state;
    const at_topology t = at_topology_now();
    assert_true(t.cpus >= t.cores && t.cores >= 1 && t.nodes >= 1);
    assert_true(at_cpu_count() >= 1 && at_cpu_count() <= t.cores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_of_a_core_are_counted_once, begin, end),
        cmocka_unit_test_setup_teardown(a_machine_that_says_nothing_has_a_core_a_processor, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_least_quota_of_all_groups_holds, begin, end),
        cmocka_unit_test_setup_teardown(version_1_has_quotas_too, begin, end),
        cmocka_unit_test(this_machine_has_a_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
