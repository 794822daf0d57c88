#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

static json_t *lower_array(struct hf_loader *loader, const char *path, const json_t *array)
{
    json_t *lowered = json_array();
    for (size_t i = 0; lowered != NULL && i < json_array_size(array); i++) {
        char element[HF_CONFIG_PATH_MAX];
        snprintf(element, sizeof(element), "%.*s[%zu]", HF_CONFIG_PATH_MAX - 24, path, i);
        if (json_array_append_new(lowered,
                                  hf__lower_keys(loader, element, json_array_get(array, i))) != 0) {
            json_decref(lowered);
            return NULL;
        }
    }
    return lowered;
}

static json_t *lower_object(struct hf_loader *loader, const char *path, const json_t *object)
{
    json_t *lowered = json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        char full[HF_CONFIG_PATH_MAX];
        char *lower = strdup(key);
        if (lower == NULL || lowered == NULL) {
            free(lower);
            json_decref(lowered);
            return NULL;
        }
        for (char *letter = lower; *letter != '\0'; letter++) {
            *letter = (char)tolower((unsigned char)*letter);
        }
        snprintf(full, sizeof(full), "%s%s%s", path, path[0] == '\0' ? "" : ".", lower);
        bool is_repeated = json_object_get(lowered, lower) != NULL;
        if (is_repeated) {
            hf__loader_error(loader, full, "given twice; upper and lower case are the same");
        }
        int rc = is_repeated
                     ? 0
                     : json_object_set_new(lowered, lower, hf__lower_keys(loader, full, value));
        free(lower);
        if (rc != 0) {
            json_decref(lowered);
            return NULL;
        }
    }
    return lowered;
}

json_t *hf__lower_keys(struct hf_loader *loader, const char *path, const json_t *value)
{
    if (json_is_object(value)) {
        return lower_object(loader, path, value);
    }
    if (json_is_array(value)) {
        return lower_array(loader, path, value);
    }
    return json_deep_copy(value);
}

static const char *channel_option_path(const char *key)
{
    for (const struct hf_old_channel_key *old = hf__old_channel_keys; old->key != NULL; old++) {
        if (strcmp(old->key, key) == 0) {
            return old->path == NULL ? key : old->path;
        }
    }
    bool is_known = hf__channel_option_find(key) != NULL || hf__peer_channel_key_find(key) != NULL;
    return is_known ? key : NULL;
}

/* Where version 6 has a top-level key; false when it is no flat key. */
static bool find_flat(const struct hf_loader *loader, const char *key, const json_t *value,
                      char *path)
{
    bool is_present =
        hf__catalogue_find(loader, key) != NULL || hf__catalogue_is_section(loader, key);
    for (const struct hf_flat_key *flat = hf__flat_keys; flat->key != NULL; flat++) {
        if (strcmp(flat->key, key) == 0 &&
            (flat->is_scalar_only ? !json_is_object(value) && !json_is_null(value) : !is_present)) {
            snprintf(path, HF_CONFIG_PATH_MAX, "%s", flat->path);
            return true;
        }
    }
    if (is_present) {
        return false;
    }
    const char *name = channel_option_path(key);
    if (name != NULL) {
        snprintf(path, HF_CONFIG_PATH_MAX, "channel.without_namespace.%s", name);
        return true;
    }
    for (const struct hf_flat_key *family = hf__flat_families; family->key != NULL; family++) {
        size_t len = strlen(family->key);
        if (strncmp(family->key, key, len) == 0) {
            snprintf(path, HF_CONFIG_PATH_MAX, "%s%s", family->path, key + len);
            if (hf__catalogue_find(loader, path) != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* The object that holds the last step of path, made when missing; *key is that step. NULL when
 * something else than an object is in the way (an error elsewhere) or memory is out. */
static json_t *find_parent(struct hf_loader *loader, json_t *root, char *path, const char **key)
{
    json_t *parent = root;
    char *step = path;
    for (char *dot = strchr(step, '.'); dot != NULL; dot = strchr(step, '.')) {
        *dot = '\0';
        json_t *child = json_object_get(parent, step);
        if (child == NULL) {
            child = json_object();
            if (json_object_set_new(parent, step, child) != 0) {
                loader->no_memory = true;
                return NULL;
            }
        }
        if (!json_is_object(child)) {
            return NULL;
        }
        parent = child;
        step = dot + 1;
    }
    *key = step;
    return parent;
}

static void move_flat(struct hf_loader *loader, json_t *root, const char *flat, const char *path,
                      json_t *value)
{
    char steps[HF_CONFIG_PATH_MAX];
    const char *key;
    snprintf(steps, sizeof(steps), "%s", path);
    json_t *parent = find_parent(loader, root, steps, &key);
    if (parent == NULL) {
        return;
    }
    const json_t *present = json_object_get(parent, key);
    if (present != NULL && !json_equal(present, value)) {
        const char *other = json_string_value(json_object_get(loader->flat_names, path));
        hf__loader_error(loader, flat, "contradicts %s; give only %s", other == NULL ? path : other,
                         path);
        return;
    }
    hf__loader_warning(loader, flat, "key of an older, flat layout, read as %s; write it there",
                       path);
    if (json_object_set(parent, key, value) != 0 ||
        json_object_set_new(loader->flat_names, path, json_string(flat)) != 0) {
        loader->no_memory = true;
    }
}

json_t *hf__flat_to_nested(struct hf_loader *loader, json_t *root)
{
    json_t *nested = json_object();
    loader->flat_names = json_object();
    if (nested == NULL || loader->flat_names == NULL) {
        json_decref(nested);
        json_decref(root);
        return NULL;
    }
    char path[HF_CONFIG_PATH_MAX];
    const char *key;
    json_t *value;
    json_object_foreach (root, key, value) {
        if (!find_flat(loader, key, value, path) && json_object_set(nested, key, value) != 0) {
            loader->no_memory = true;
        }
    }
    json_object_foreach (root, key, value) {
        if (find_flat(loader, key, value, path)) {
            move_flat(loader, nested, key, path, value);
        }
    }
    json_decref(root);
    return nested;
}
