#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "config/value.h"

/* Sets a value (taken, may be NULL) at a dotted path, making the objects on the way. */
static bool set_path(json_t *root, const char *path, json_t *value)
{
    char step[HF_CONFIG_PATH_MAX];
    json_t *parent = root;
    for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(path, '.')) {
        snprintf(step, sizeof(step), "%.*s", (int)(dot - path), path);
        json_t *child = json_object_get(parent, step);
        if (child == NULL) {
            child = json_object();
            if (json_object_set_new(parent, step, child) != 0) {
                json_decref(value);
                return false;
            }
        }
        parent = child;
        path = dot + 1;
    }
    return json_object_set_new(parent, path, value) == 0;
}

/* A new reference; NULL when memory is out. */
static json_t *describe_channel_options(const struct hf_channel_options *options, bool has_name)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < hf__channel_option_count; i++) {
        const struct hf_option *option = &hf__channel_options[i];
        if (!has_name && strcmp(option->path, "name") == 0) {
            continue;
        }
        if (json_object_set_new(object, option->path, hf__value_describe(option, options)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *describe_namespaces(const struct hf_config_channel *channel)
{
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < channel->namespace_count; i++) {
        json_t *object = describe_channel_options(&channel->namespaces[i], true);
        if (json_array_append_new(array, object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static bool describe_into(json_t *root, const struct hf_config *config)
{
    for (size_t i = 0; i < hf__option_count; i++) {
        const struct hf_option *option = &hf__options[i];
        if (!set_path(root, option->path, hf__value_describe(option, config))) {
            return false;
        }
    }
    return set_path(root, "channel.without_namespace",
                    describe_channel_options(&config->channel.without_namespace, false)) &&
           set_path(root, "channel.namespaces", describe_namespaces(&config->channel));
}

/* Puts in place of the stars what they stand for. */
static bool reveal_secrets(json_t *root, const struct hf_config *config)
{
    for (size_t i = 0; i < hf__option_count; i++) {
        const struct hf_option *option = &hf__options[i];
        const char *field = (const char *)config + option->offset;
        if (option->type == HF_OPTION_STRING &&
            (option->flags & (HF_OPTION_SECRET | HF_OPTION_URL)) != 0 &&
            !set_path(root, option->path, json_string(*(const char *const *)(const void *)field))) {
            return false;
        }
    }
    return true;
}

char *hf__describe_with_secrets(const struct hf_config *config)
{
    json_t *root = json_object();
    char *text = NULL;
    if (root != NULL && describe_into(root, config) && reveal_secrets(root, config)) {
        text = json_dumps(root, JSON_INDENT(2));
    }
    json_decref(root);
    return text;
}

char *hf_config_describe(const struct hf_config *config)
{
    json_t *root = json_object();
    char *text = NULL;
    if (root != NULL && describe_into(root, config)) {
        text = json_dumps(root, JSON_INDENT(2));
    }
    json_decref(root);
    return text;
}
