#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/loader.h"

#define NAMESPACES "channel.namespaces"

/* Edit distance: insertions, deletions, substitutions and swaps of neighbours cost 1 each. Looks at
 * the first HF_CONFIG_PATH_MAX - 1 bytes. */
static size_t distance(const char *left, const char *right)
{
    size_t left_len = strnlen(left, HF_CONFIG_PATH_MAX - 1);
    size_t right_len = strnlen(right, HF_CONFIG_PATH_MAX - 1);
    size_t rows[3][HF_CONFIG_PATH_MAX];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];

    for (size_t i = 0; i <= right_len; i++) {
        row[i] = i;
    }
    for (size_t i = 1; i <= left_len; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= right_len; j++) {
            size_t best = above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return row[right_len];
}

static const char *last_step(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL ? path : dot + 1;
}

struct best {
    size_t score;
    char *nearest;
};

/* Keeps the candidate when it is nearer than all before it. */
static void offer(struct best *best, size_t score, const char *candidate)
{
    if (score < best->score) {
        best->score = score;
        snprintf(best->nearest, HF_CONFIG_PATH_MAX, "%s", candidate);
    }
}

/* A key of one namespace is compared with the channel options only. */
static void suggest_in_namespace(const char *path, const char *key, struct best *best)
{
    char candidate[HF_CONFIG_PATH_MAX];
    int prefix_len = (int)(key - path);
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        snprintf(candidate, sizeof(candidate), "%.*s%s", prefix_len, path,
                 hf__channel_options[i].path);
        offer(best, distance(key, hf__channel_options[i].path), candidate);
    }
    for (const struct hf_peer_key *peer = hf__peer_channel_keys; peer->name != NULL; peer++) {
        snprintf(candidate, sizeof(candidate), "%.*s%s", prefix_len, path, peer->name);
        offer(best, distance(key, peer->name), candidate);
    }
}

/* The sections on the way to a key are candidates as well. */
static void suggest_sections(const char *path, const char *candidate, struct best *best)
{
    char section[HF_CONFIG_PATH_MAX];
    for (const char *dot = strchr(candidate, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        snprintf(section, sizeof(section), "%.*s", (int)(dot - candidate), candidate);
        offer(best, distance(path, section) * 2, section);
    }
}

/* An unknown top-level key may be a misspelt one of the flat layout of older versions. */
static void suggest_flat(const struct hf_loader *loader, const char *key, struct best *best)
{
    for (const struct hf_flat_key *flat = hf__flat_keys; flat->key != NULL; flat++) {
        offer(best, distance(key, flat->key) * 2, flat->path);
    }
    for (const struct hf_flat_key *family = hf__flat_families; family->key != NULL; family++) {
        size_t len = strlen(family->key);
        if (strncmp(family->key, key, len) != 0) {
            continue;
        }
        char path[HF_CONFIG_PATH_MAX];
        snprintf(path, sizeof(path), "%s%s", family->path, key + len);
        for (size_t i = 0; i < loader->entry_count; i++) {
            offer(best, distance(path, loader->entries[i].path) * 2, loader->entries[i].path);
        }
    }
}

void hf__suggest_path(const struct hf_loader *loader, const char *path, bool with_sections,
                      char *nearest)
{
    struct best best = {.score = SIZE_MAX, .nearest = nearest};
    const char *key = last_step(path);
    nearest[0] = '\0';
    if (strncmp(path, NAMESPACES "[", sizeof(NAMESPACES)) == 0) {
        suggest_in_namespace(path, key, &best);
        return;
    }
    if (with_sections) {
        offer(&best, distance(path, NAMESPACES) * 2, NAMESPACES);
    }
    for (size_t i = 0; i < loader->entry_count; i++) {
        const char *candidate = loader->entries[i].path;
        /* The right key in the wrong place is a near miss too, whatever the paths look like. */
        size_t moved = 3 + distance(key, last_step(candidate)) * 2;
        size_t typed = distance(path, candidate);
        size_t score = (moved < typed ? moved : typed) * 2;
        offer(&best, score + (loader->entries[i].option == NULL ? 1 : 0), candidate);
        if (with_sections) {
            suggest_sections(path, candidate, &best);
        }
    }
    if (strchr(path, '.') == NULL) {
        suggest_flat(loader, path, &best);
    }
}

void hf__suggest_environment(const struct hf_loader *loader, const char *name, char *nearest)
{
    struct best best = {.score = SIZE_MAX, .nearest = nearest};
    nearest[0] = '\0';
    for (size_t i = 0; i < loader->entry_count; i++) {
        char candidate[HF_CONFIG_PATH_MAX];
        hf__catalogue_environment_name(loader->entries[i].path, candidate);
        offer(&best, distance(name, candidate) * 2 + (loader->entries[i].option == NULL ? 1 : 0),
              candidate);
    }
    offer(&best, distance(name, "CHANNEL_NAMESPACES") * 2, "CHANNEL_NAMESPACES");
}
