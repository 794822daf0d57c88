/* Lives: those processes of the store into which somebody has published, as the store itself notes
 * them with its data (store.h, on_connected). What goes back to an earlier state of the data
 * forgets the lives that were admitted since: so the list tells that it went back behind something,
 * even when the entry by which one would see it has expired.
 *
 * The older ones are dropped (HF_LIVES_MAX): a list that is full lacks nothing for certain. */
#ifndef HF_CORE_LIVES_H
#define HF_CORE_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#define HF_LIVES_MAX 16

struct hf_lives {
    uint32_t count;
    uint64_t lives[HF_LIVES_MAX]; /* newest first; never 0 */
};

/* The last one that was admitted; 0: there was none. */
static inline uint64_t hf_lives_newest(const struct hf_lives *lives)
{
    return lives->count > 0 ? lives->lives[0] : 0;
}

/* Nothing happens when it is the newest already. */
static inline void hf_lives_admit(struct hf_lives *lives, uint64_t life)
{
    if (hf_lives_newest(lives) == life) {
        return;
    }
    lives->count += lives->count < HF_LIVES_MAX;
    for (uint32_t i = lives->count - 1; i > 0; i--) {
        lives->lives[i] = lives->lives[i - 1];
    }
    lives->lives[0] = life;
}

/* Whether this data is for certain not of a time after `life` (0: not known) was admitted. */
static inline bool hf_lives_lack(const struct hf_lives *lives, uint64_t life)
{
    for (uint32_t i = 0; i < lives->count; i++) {
        if (lives->lives[i] == life) {
            return false;
        }
    }
    return life != 0 && lives->count < HF_LIVES_MAX;
}

#endif
