/* build_info.c - what this library is and runs on, for bug reports. */
#include "base/buf.h"
#include "base/cpu.h"
#include "base/topology.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

size_t at_build_info(char *text, size_t size)
{
    at_buf b;
    at_buf_init(&b, NULL, 16384);
    size_t box;
    (void)at_builtin_model(&box);
    at_buf_fmt(&b, "version %s\n", at_version());
    at_buf_fmt(&b, "compiler %s\n", __VERSION__);
    const at_topology here = at_topology_now();
    at_buf_fmt(&b, "device cpu, %d threads (%d processors, %d cores, %d memory node%s",
               at_cpu_count(), here.cpus, here.cores, here.nodes, here.nodes == 1 ? "" : "s");
    if (here.quota) at_buf_fmt(&b, ", a quota of %d", here.quota);
    at_buf_fmt(&b, ")\n");
    at_buf_fmt(&b, "kernels %s\n", at_cpu_level_name(at_cpu_features()));
    at_buf_fmt(&b, "images jpeg png%s\n", ANYTAG_WITH_WEBP ? " webp" : "");
    at_buf_fmt(&b, "architectures");
    for (const at_network_type *const *t = at_network_types(); *t; t++)
        at_buf_fmt(&b, " %s", (*t)->arch);
    at_buf_fmt(&b, "\nmodel in the box %s\n", box ? "yes" : "no");
    const size_t len = b.len;
    if (size) (void)snprintf(text, size, "%s", at_buf_text(&b));
    at_buf_reset(&b);
    return len;
}
