/* Delta: a patch that makes one text out of another, in the format of Fossil SCM's delta (described
 * in the documentation of Fossil, "Fossil Delta Format"). Pure functions, any thread.
 *
 *   patch    = number LF *( copy / insert ) number ";"   length of the target ... its checksum
 *   copy     = number "@" number ","                     bytes, from this offset of the source
 *   insert   = number ":" <that many bytes>
 *   number   = 1*( 0-9 / A-Z / "_" / a-z / "~" )          base 64 in this order, no leading zeros
 *   checksum = sum of the target's 32-bit words, big-endian, the last one filled up with zeros
 *
 * Here no copy begins or ends inside a UTF-8 character of the target: the patch of a UTF-8 text is
 * UTF-8 itself, so that it can be told in a JSON string. */
#ifndef HF_PROTO_DELTA_H
#define HF_PROTO_DELTA_H

#include "buffer.h"
#include "slice.h"

#include <stdint.h>

/* The format counts in 32 bits; larger texts have no patch. */
#define HF_DELTA_TEXT_MAX ((size_t)UINT32_MAX)

enum hf_delta_result {
    HF_DELTA_OK,
    HF_DELTA_USELESS,   /* no patch that is shorter than the target */
    HF_DELTA_NO_MEMORY, /* for the index of the source */
};

/* Appends to `patch`, which must be empty, what makes `target` out of `source`. Takes time in
 * proportion to both, and memory for the time of the call: at most 256 KiB. Unless the result is
 * HF_DELTA_OK, and when hf_buffer_failed(patch), the patch's content is of no use. */
enum hf_delta_result hf_delta_encode(struct hf_slice source, struct hf_slice target,
                                     struct hf_buffer *patch);

#endif
