/* Arena: memory that decoding needs beside its input (unescaped strings, arrays), freed all at
 * once. Any thread, one at a time; usually one per worker, reset after each frame. It allocates
 * nothing until asked and keeps one block over a reset, so a typical message costs no malloc. */
#ifndef HF_PROTO_ARENA_H
#define HF_PROTO_ARENA_H

#include "slice.h"

#include <stddef.h>

struct hf_arena_block;

struct hf_arena {
    struct hf_arena_block *blocks; /* owned, newest first */
    size_t total;                  /* bytes in all blocks */
    size_t limit;                  /* most bytes in all blocks; 0 = no limit but memory */
};

/* limit: bytes, 0 = unlimited. */
void hf_arena_init(struct hf_arena *arena, size_t limit);

/* Frees everything; what was handed out is invalid. The arena is as after init. */
void hf_arena_fini(struct hf_arena *arena);

/* Invalidates everything that was handed out; keeps at most one block of the standard size. */
void hf_arena_reset(struct hf_arena *arena);

/* `size` bytes aligned for any type, not zeroed, valid until reset or fini. NULL when memory or
 * the limit is exhausted, or when size is 0. */
void *hf_arena_alloc(struct hf_arena *arena, size_t size);

/* Shrinks the newest allocation (`memory` of `size` bytes) to `used` bytes; anything else is left.
 */
void hf_arena_trim(struct hf_arena *arena, void *memory, size_t size, size_t used);

/* A copy of the bytes; data is NULL when there is no memory. An empty source gives {"", 0}. */
struct hf_slice hf_arena_copy(struct hf_arena *arena, struct hf_slice source);

#endif
