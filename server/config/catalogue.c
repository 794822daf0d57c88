#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

#define WITHOUT_NAMESPACE "channel.without_namespace"

/* Calls itself for objects; with entries NULL it only counts. */
static size_t add_peer_keys(struct hf_catalogue_entry *entries, const char *prefix,
                            const struct hf_peer_key *keys)
{
    size_t count = 0;
    for (const struct hf_peer_key *key = keys; key->name != NULL; key++) {
        char path[HF_CONFIG_PATH_MAX];
        snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", key->name);
        if (key->fields != NULL) {
            count += add_peer_keys(entries == NULL ? NULL : entries + count, path, key->fields);
            continue;
        }
        if (entries != NULL) {
            memcpy(entries[count].path, path, sizeof(path));
            entries[count].peer = key;
        }
        count++;
    }
    return count;
}

bool hf__catalogue_build(struct hf_loader *loader)
{
    size_t count =
        hf__option_count + hf__channel_option_count + add_peer_keys(NULL, "", hf__peer_keys);
    struct hf_catalogue_entry *entries = calloc(count, sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < hf__option_count; i++, used++) {
        snprintf(entries[used].path, HF_CONFIG_PATH_MAX, "%s", hf__options[i].path);
        entries[used].option = &hf__options[i];
    }
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        if (strcmp(hf__channel_options[i].path, "name") == 0) {
            continue;
        }
        snprintf(entries[used].path, HF_CONFIG_PATH_MAX, "%s.%s", WITHOUT_NAMESPACE,
                 hf__channel_options[i].path);
        entries[used].option = &hf__channel_options[i];
        entries[used].base = offsetof(struct hf_config, channel.without_namespace);
        used++;
    }
    used += add_peer_keys(entries + used, "", hf__peer_keys);
    loader->entries = entries;
    loader->entry_count = used;
    return true;
}

const struct hf_catalogue_entry *hf__catalogue_find(const struct hf_loader *loader,
                                                    const char *path)
{
    for (size_t i = 0; i < loader->entry_count; i++) {
        if (strcmp(loader->entries[i].path, path) == 0) {
            return &loader->entries[i];
        }
    }
    return NULL;
}

void hf__catalogue_environment_name(const char *path, char *name)
{
    for (; *path != '\0'; path++) {
        *name++ = *path == '.' || *path == '-' ? '_' : (char)toupper((unsigned char)*path);
    }
    *name = '\0';
}

const struct hf_catalogue_entry *hf__catalogue_find_environment(const struct hf_loader *loader,
                                                                const char *name)
{
    for (size_t i = 0; i < loader->entry_count; i++) {
        char candidate[HF_CONFIG_PATH_MAX];
        hf__catalogue_environment_name(loader->entries[i].path, candidate);
        if (strcmp(candidate, name) == 0) {
            return &loader->entries[i];
        }
    }
    return NULL;
}

bool hf__catalogue_is_section(const struct hf_loader *loader, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < loader->entry_count; i++) {
        if (strncmp(loader->entries[i].path, path, len) == 0 &&
            loader->entries[i].path[len] == '.') {
            return true;
        }
    }
    return false;
}

const struct hf_option *hf__channel_option_find(const char *name)
{
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        if (strcmp(hf__channel_options[i].path, name) == 0) {
            return &hf__channel_options[i];
        }
    }
    return NULL;
}

const struct hf_peer_key *hf__peer_channel_key_find(const char *name)
{
    for (const struct hf_peer_key *key = hf__peer_channel_keys; key->name != NULL; key++) {
        if (strcmp(key->name, name) == 0) {
            return key;
        }
    }
    return NULL;
}
