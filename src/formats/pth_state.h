/* pth_state.h - from a checkpoint's pickle to its tensors; the containers (zip, legacy) say where bytes are. */
#ifndef AT_FORMATS_PTH_STATE_H
#define AT_FORMATS_PTH_STATE_H

#include "formats/pickle.h"

/* Where a storage's bytes lie; all `bytes` of them are inside the file. `name` is the tensor that asks. */
typedef at_status (*at_pth_locate)(void *ctx, const at_node *storage, const char *name,
                                   uint64_t *offset, uint64_t *bytes, at_error *err);

/* Finds the state dict and adds its tensors. A bare tensor is named "tensor"; dictionaries and lists
 * inside the state dict join their keys with dots. */
at_status at_pth_add_state(at_weights *w, const at_node *root, at_pth_locate locate, void *ctx,
                           at_error *err);

#endif
