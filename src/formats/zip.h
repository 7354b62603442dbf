/* zip.h - the list of a zip archive's members. Nothing is ever inflated: PyTorch stores. */
#ifndef AT_FORMATS_ZIP_H
#define AT_FORMATS_ZIP_H

#include "formats/weights_file.h"

typedef struct at_zip_member {
    const char *name; // in the file, not terminated
    size_t name_len;
    uint64_t size;         // of the data
    uint64_t local_offset; // of the local header
    bool stored;           // false: compressed or encrypted
} at_zip_member;

typedef struct at_zip {
    at_zip_member *members; // sorted by name
    size_t n;
    uint64_t data_end; // where the directory begins
} at_zip;

/* Memory is the file's. AT_E_MODEL_DAMAGED, AT_E_OUT_OF_MEMORY. */
at_status at_zip_read(at_zip *zip, at_weights *w, at_error *err);
const at_zip_member *at_zip_find(const at_zip *zip, const char *name, size_t len);
/* Where a stored member's bytes begin; all `size` of them lie inside the file. */
at_status at_zip_data(const at_zip *zip, const at_zip_member *m, const at_weights *w,
                      uint64_t *offset, at_error *err);

#endif
