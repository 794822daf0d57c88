#include "config/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

/* Takes text. */
static bool add_taken(struct hf_string_list *list, char *text)
{
    char **items = reallocarray(list->items, list->count + 1, sizeof(*items));
    if (items == NULL) {
        free(text);
        return false;
    }
    list->items = items;
    items[list->count++] = text;
    return true;
}

bool hf__messages_add(struct hf_string_list *list, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return len >= 0 && add_taken(list, text);
}

void hf__messages_free(struct hf_string_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct hf_string_list){0};
}

static void __attribute__((format(printf, 4, 0)))
add_message(struct hf_loader *loader, struct hf_string_list *list, const char *key,
            const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0) {
        loader->no_memory = true;
        return;
    }
    const char *flat = NULL;
    if (loader->flat_names != NULL && key != NULL) {
        flat = json_string_value(json_object_get(loader->flat_names, key));
    }
    bool is_added =
        hf__messages_add(list, "%s: %s%s%s%s%s%s", loader->source, key == NULL ? "" : key,
                         flat == NULL ? "" : " (given as ", flat == NULL ? "" : flat,
                         flat == NULL ? "" : ")", key == NULL ? "" : ": ", text);
    free(text);
    if (!is_added) {
        loader->no_memory = true;
    }
}

void hf__loader_error(struct hf_loader *loader, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_message(loader, &loader->result->errors, key, format, args);
    va_end(args);
}

void hf__loader_warning(struct hf_loader *loader, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_message(loader, &loader->result->warnings, key, format, args);
    va_end(args);
}

static bool set_defaults(const struct hf_option *options, size_t count, void *base)
{
    char why[HF_VALUE_WHY_MAX];
    for (size_t i = 0; i < count; i++) {
        if (hf__value_set_text(&options[i], base, options[i].fallback, why) != HF_VALUE_OK) {
            return false;
        }
    }
    return true;
}

bool hf__loader_init(struct hf_loader *loader, struct hf_config_result *result)
{
    *loader = (struct hf_loader){.result = result, .source = "configuration"};
    loader->config = calloc(1, sizeof(*loader->config));
    if (loader->config == NULL || !hf__catalogue_build(loader)) {
        return false;
    }
    return set_defaults(hf__options, hf__option_count, loader->config) &&
           set_defaults(hf__channel_options, hf__channel_option_count,
                        &loader->config->channel.without_namespace);
}

void hf__loader_fini(struct hf_loader *loader)
{
    hf_config_free(loader->config);
    loader->config = NULL;
    free(loader->entries);
    loader->entries = NULL;
    json_decref(loader->flat_names);
    loader->flat_names = NULL;
}
