#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

/* Enough for the unescaped strings and subscriptions of a usual frame. */
enum { BLOCK_SIZE = 8192 };

struct hf_arena_block {
    struct hf_arena_block *next; /* older */
    size_t used;                 /* bytes of data handed out */
    size_t capacity;             /* bytes of data */
    alignas(max_align_t) char data[];
};

void hf_arena_init(struct hf_arena *arena, size_t limit)
{
    *arena = (struct hf_arena){.limit = limit};
}

void hf_arena_fini(struct hf_arena *arena)
{
    struct hf_arena_block *block = arena->blocks;
    while (block) {
        struct hf_arena_block *next = block->next;
        free(block);
        block = next;
    }
    hf_arena_init(arena, arena->limit);
}

void hf_arena_reset(struct hf_arena *arena)
{
    struct hf_arena_block *kept = NULL;
    struct hf_arena_block *block = arena->blocks;
    while (block) {
        struct hf_arena_block *next = block->next;
        if (!kept && block->capacity <= BLOCK_SIZE) {
            kept = block;
        } else {
            free(block);
        }
        block = next;
    }
    arena->blocks = kept;
    arena->total = 0;
    if (kept) {
        kept->next = NULL;
        kept->used = 0;
        arena->total = kept->capacity;
    }
}

static size_t round_up(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static struct hf_arena_block *add_block(struct hf_arena *arena, size_t size)
{
    size_t room = arena->limit != 0 ? arena->limit - arena->total : SIZE_MAX;
    size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    if (capacity > room) {
        capacity = room & ~(alignof(max_align_t) - 1);
    }
    if (capacity < size) {
        return NULL;
    }
    struct hf_arena_block *block = malloc(sizeof(*block) + capacity);
    if (!block) {
        return NULL;
    }
    block->next = arena->blocks;
    block->used = 0;
    block->capacity = capacity;
    arena->blocks = block;
    arena->total += capacity;
    return block;
}

void *hf_arena_alloc(struct hf_arena *arena, size_t size)
{
    if (size == 0 || size > SIZE_MAX / 2) {
        return NULL;
    }
    size = round_up(size);
    struct hf_arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < size) {
        block = add_block(arena, size);
        if (!block) {
            return NULL;
        }
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

void hf_arena_trim(struct hf_arena *arena, void *memory, size_t size, size_t used)
{
    struct hf_arena_block *block = arena->blocks;
    if (block && (char *)memory + round_up(size) == block->data + block->used) {
        block->used -= round_up(size) - round_up(used);
    }
}

struct hf_slice hf_arena_copy(struct hf_arena *arena, struct hf_slice source)
{
    if (source.len == 0) {
        return hf_slice("", 0);
    }
    char *copy = hf_arena_alloc(arena, source.len);
    if (!copy) {
        return hf_slice(NULL, 0);
    }
    memcpy(copy, source.data, source.len);
    return hf_slice(copy, source.len);
}
