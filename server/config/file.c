#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

#define FILE_MAX (16 * 1024 * 1024)

static bool has_suffix(const char *path, const char *suffix)
{
    size_t len = strlen(path);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcasecmp(path + len - suffix_len, suffix) == 0;
}

/* The whole file, to be freed by the caller; NULL after an error in the result or in errno. */
static char *read_all(struct hf_loader *loader, FILE *file, size_t *len)
{
    char *text = malloc(FILE_MAX + 1);
    if (text == NULL) {
        loader->no_memory = true;
        return NULL;
    }
    *len = fread(text, 1, FILE_MAX + 1, file);
    if (ferror(file)) {
        hf__loader_error(loader, NULL, "cannot be read: %s", strerror(errno));
    } else if (*len > FILE_MAX) {
        hf__loader_error(loader, NULL, "is larger than %d bytes", FILE_MAX);
    } else {
        return text;
    }
    free(text);
    return NULL;
}

/* The parser quotes what stands near an error, which may be a secret; a key that is given twice is
 * none, and is worth naming. */
static void report_syntax(struct hf_loader *loader, json_error_t *error)
{
    char *near_text = strstr(error->text, " near '");
    if (near_text != NULL && json_error_code(error) != json_error_duplicate_key) {
        *near_text = '\0';
    }
    if (json_error_code(error) == json_error_out_of_memory) {
        loader->no_memory = true;
        return;
    }
    char where[64];
    snprintf(where, sizeof(where), "line %d, column %d", error->line, error->column);
    hf__loader_error(loader, where, "%s", error->text);
}

static void apply_root(struct hf_loader *loader, const json_t *root)
{
    if (!json_is_object(root)) {
        hf__loader_error(loader, NULL, "must hold one JSON object");
        return;
    }
    json_t *lowered = hf__lower_keys(loader, "", root);
    json_t *nested = lowered == NULL ? NULL : hf__flat_to_nested(loader, lowered);
    if (nested == NULL) {
        loader->no_memory = true;
        return;
    }
    hf__apply_object(loader, "", nested);
    json_decref(nested);
    json_decref(loader->flat_names);
    loader->flat_names = NULL;
}

void hf__load_file(struct hf_loader *loader, const char *path, bool may_be_missing)
{
    loader->source = path;
    if (has_suffix(path, ".yaml") || has_suffix(path, ".yml") || has_suffix(path, ".toml")) {
        hf__loader_error(loader, NULL,
                         "YAML and TOML are known but not offered in this version; give a JSON "
                         "file");
        return;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (!may_be_missing || errno != ENOENT) {
            hf__loader_error(loader, NULL, "cannot be opened: %s", strerror(errno));
        }
        return;
    }
    size_t len;
    char *text = read_all(loader, file, &len);
    fclose(file);
    if (text == NULL) {
        return;
    }
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    free(text);
    if (root == NULL) {
        report_syntax(loader, &error);
        return;
    }
    apply_root(loader, root);
    json_decref(root);
}
