/* peak.h - what a processor can do at most: loops of multiply-adds that wait for nothing, to hold the kernels
 * against. Not kernels: they compute nothing. */
#ifndef AT_KERNELS_PEAK_H
#define AT_KERNELS_PEAK_H

typedef struct at_peak_loop {
    void (*run)(long rounds); // NULL: this processor has none
    double ops;               // of a round, 2 per multiply-add
    const char *name;         // of the instructions
} at_peak_loop;

/* The fastest that this processor has and this process may use (base/cpu.h). */
at_peak_loop at_peak_f32(void);
at_peak_loop at_peak_bf16(void);
at_peak_loop at_peak_int8(void);

#endif
