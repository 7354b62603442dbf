/* machine.c - what the machine can do at most, for those who hold a profile against it. */
#include "runtime/runtime.h"

at_status at_machine_measure(int threads, at_machine *machine, at_error *err)
{
    if (!machine)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_machine_measure: machine must not be NULL");
    at_pool *pool = NULL;
    at_peak p = {0};
    at_status status = at_pool_open(&pool, threads, NULL, err);
    if (status == AT_OK) status = at_backend_cpu.peak(pool, NULL, &p, err);
    at_pool_close(pool);
    if (status == AT_OK)
        *machine = (at_machine){.flop_s = p.flop_s,
                                .bf16_s = p.bf16_s,
                                .int8_s = p.int8_s,
                                .bytes_s = p.bytes_s,
                                .threads = p.threads};
    return status;
}
