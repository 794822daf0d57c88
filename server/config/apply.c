#include <stdio.h>
#include <string.h>

#include "config/loader.h"
#include "config/value.h"

#define NAMESPACES        "channel.namespaces"
#define WITHOUT_NAMESPACE "channel.without_namespace"

/* Joins a path and a key; a path that would be too long is cut, and then is unknown anyway. */
static void join(char *joined, const char *path, const char *key)
{
    snprintf(joined, HF_CONFIG_PATH_MAX, "%s%s%s", path, path[0] == '\0' ? "" : ".", key);
}

static void report(struct hf_loader *loader, const char *key, enum hf_value_result result,
                   const char *why)
{
    if (result == HF_VALUE_NO_MEMORY) {
        loader->no_memory = true;
    } else if (result == HF_VALUE_BAD) {
        hf__loader_error(loader, key, "%s", why);
    }
}

static void refuse_not_offered(struct hf_loader *loader, const char *key,
                               const struct hf_peer_key *peer)
{
    hf__loader_error(loader, key,
                     "known, but not offered in this version of Holdfast; remove it or leave it at "
                     "its default (%s)",
                     peer->harmless == NULL ? "off or empty" : peer->harmless);
}

static void refuse_unknown(struct hf_loader *loader, const char *path)
{
    char nearest[HF_CONFIG_PATH_MAX];
    hf__suggest_path(loader, path, true, nearest);
    hf__loader_error(loader, path, "unknown key; the nearest valid key is %s", nearest);
}

void hf__apply_text(struct hf_loader *loader, const struct hf_catalogue_entry *entry,
                    const char *key, const char *text)
{
    if (entry->option == NULL) {
        if (!hf__value_is_harmless_text(text, entry->peer->harmless)) {
            refuse_not_offered(loader, key, entry->peer);
        }
        return;
    }
    char why[HF_VALUE_WHY_MAX];
    void *base = (char *)loader->config + entry->base;
    report(loader, key, hf__value_set_text(entry->option, base, text, why), why);
}

void hf__apply_channel_text(struct hf_loader *loader, struct hf_channel_options *options,
                            const struct hf_option *option, const char *key, const char *text)
{
    char why[HF_VALUE_WHY_MAX];
    report(loader, key, hf__value_set_text(option, options, text, why), why);
}

static void apply_json(struct hf_loader *loader, const struct hf_option *option, void *base,
                       const char *key, const json_t *value)
{
    char why[HF_VALUE_WHY_MAX];
    if (!json_is_null(value)) {
        report(loader, key, hf__value_set_json(option, base, value, why), why);
    }
}

static const struct hf_old_channel_key *find_old_channel_key(const char *key)
{
    for (const struct hf_old_channel_key *old = hf__old_channel_keys; old->key != NULL; old++) {
        if (strcmp(old->key, key) == 0) {
            return old;
        }
    }
    return NULL;
}

/* The present name of a channel option, or NULL after an error. */
static const char *present_name(struct hf_loader *loader, const json_t *object, const char *path,
                                const char *key)
{
    const struct hf_old_channel_key *old = find_old_channel_key(key);
    if (old == NULL) {
        return key;
    }
    if (old->path == NULL) {
        hf__loader_error(loader, path, "option of an older version; write %s instead", old->advice);
        return NULL;
    }
    const json_t *present = json_object_get(object, old->path);
    if (present != NULL && !json_equal(present, json_object_get(object, key))) {
        hf__loader_error(loader, path, "contradicts %s, which is its present name", old->path);
        return NULL;
    }
    hf__loader_warning(loader, path, "option of an older version; write %s instead", old->path);
    return old->path;
}

static void apply_channel_object(struct hf_loader *loader, struct hf_channel_options *options,
                                 const char *path, const json_t *object)
{
    const char *key;
    json_t *value;
    bool is_namespace = options != &loader->config->channel.without_namespace;
    json_object_foreach ((json_t *)object, key, value) {
        char full[HF_CONFIG_PATH_MAX];
        join(full, path, key);
        const char *name = present_name(loader, object, full, key);
        if (name == NULL) {
            continue;
        }
        const struct hf_option *option = hf__channel_option_find(name);
        const struct hf_peer_key *peer = hf__peer_channel_key_find(name);
        if (option != NULL && (is_namespace || strcmp(name, "name") != 0)) {
            apply_json(loader, option, options, full, value);
        } else if (peer == NULL) {
            refuse_unknown(loader, full);
        } else if (!hf__value_is_harmless_json(value, peer->harmless)) {
            refuse_not_offered(loader, full, peer);
        }
    }
}

void hf__apply_namespaces(struct hf_loader *loader, const char *key, const json_t *value)
{
    if (json_is_null(value)) {
        return;
    }
    if (!json_is_array(value)) {
        hf__loader_error(loader, key, "must be a list of objects");
        return;
    }
    if (!hf__namespaces_replace(loader, json_array_size(value))) {
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        char path[HF_CONFIG_PATH_MAX];
        snprintf(path, sizeof(path), NAMESPACES "[%zu]", i);
        const json_t *object = json_array_get(value, i);
        if (!json_is_object(object)) {
            hf__loader_error(loader, path, "must be an object");
            continue;
        }
        apply_channel_object(loader, &loader->config->channel.namespaces[i], path, object);
    }
}

static void apply_member(struct hf_loader *loader, const char *path, const json_t *value)
{
    const struct hf_catalogue_entry *entry = hf__catalogue_find(loader, path);
    if (entry != NULL && entry->option != NULL) {
        apply_json(loader, entry->option, (char *)loader->config + entry->base, path, value);
    } else if (entry != NULL) {
        if (!hf__value_is_harmless_json(value, entry->peer->harmless)) {
            refuse_not_offered(loader, path, entry->peer);
        }
    } else if (strcmp(path, NAMESPACES) == 0) {
        hf__apply_namespaces(loader, path, value);
    } else if (!hf__catalogue_is_section(loader, path)) {
        refuse_unknown(loader, path);
    } else if (json_is_object(value)) {
        hf__apply_object(loader, path, value);
    } else if (!json_is_null(value)) {
        hf__loader_error(loader, path, "must be an object");
    }
}

void hf__apply_object(struct hf_loader *loader, const char *path, const json_t *object)
{
    if (strcmp(path, WITHOUT_NAMESPACE) == 0) {
        apply_channel_object(loader, &loader->config->channel.without_namespace, path, object);
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        char full[HF_CONFIG_PATH_MAX];
        join(full, path, key);
        apply_member(loader, full, value);
    }
}
