#ifndef HF_TEST_CONFIG_FIXTURE_H
#define HF_TEST_CONFIG_FIXTURE_H

/* Config fixture: loads a configuration from a text, an environment and flags, and looks into the
 * messages. Every load has a private directory that is removed by unload(). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct loaded {
    struct hf_config_result result;
    enum hf_config_status status;
    char directory[64];
    char path[96];
};

/* Loads; json NULL: no file, env and args NULL: none. */
static inline void load_all(struct loaded *loaded, const char *json, const char *const *env,
                            const char *const *args)
{
    static const char *const none[] = {NULL};
    const char *argv[64] = {"holdfast"};
    int argc = 1;
    snprintf(loaded->directory, sizeof(loaded->directory), "/tmp/hf_config_XXXXXX");
    assert_non_null(mkdtemp(loaded->directory));
    snprintf(loaded->path, sizeof(loaded->path), "%s/test.json", loaded->directory);
    if (json != NULL) {
        FILE *file = fopen(loaded->path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(json, 1, strlen(json), file), strlen(json));
        assert_int_equal(fclose(file), 0);
        argv[argc++] = "-c";
        argv[argc++] = loaded->path;
    }
    for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
        assert_true(argc < 63);
        argv[argc++] = args[i];
    }
    loaded->status = hf_config_load(&loaded->result, argc, argv, env == NULL ? none : env);
}

static inline void unload(struct loaded *loaded)
{
    hf_config_result_fini(&loaded->result);
    unlink(loaded->path);
    assert_int_equal(rmdir(loaded->directory), 0);
}

/* Loads what must be fine. */
static inline const struct hf_config *load_good(struct loaded *loaded, const char *json,
                                                const char *const *env, const char *const *args)
{
    load_all(loaded, json, env, args);
    for (size_t i = 0; i < loaded->result.errors.count; i++) {
        print_error("unexpected: %s\n", loaded->result.errors.items[i]);
    }
    assert_int_equal(loaded->status, HF_CONFIG_LOADED);
    assert_int_equal(loaded->result.errors.count, 0);
    assert_non_null(loaded->result.config);
    return loaded->result.config;
}

/* The message that holds all of the (NULL-terminated) texts, else NULL. */
static inline const char *find_message(const struct hf_string_list *list, const char *const *texts)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t found = 0;
        size_t wanted = 0;
        for (; texts[wanted] != NULL; wanted++) {
            found += strstr(list->items[i], texts[wanted]) != NULL ? 1 : 0;
        }
        if (found == wanted) {
            return list->items[i];
        }
    }
    return NULL;
}

static inline void print_all(const struct hf_string_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        print_error("  %s\n", list->items[i]);
    }
}

static inline void expect_message(const struct hf_string_list *list, const char *const *texts)
{
    if (find_message(list, texts) == NULL) {
        print_error("no message with \"%s\" in:\n", texts[0]);
        print_all(list);
        fail();
    }
}

/* Loads a text that must fail with exactly one error, which holds all texts. */
static inline void expect_error(const char *json, const char *const *texts)
{
    struct loaded loaded;
    load_all(&loaded, json, NULL, NULL);
    expect_message(&loaded.result.errors, texts);
    if (loaded.result.errors.count != 1) {
        print_all(&loaded.result.errors);
    }
    assert_int_equal(loaded.result.errors.count, 1);
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    assert_null(loaded.result.config);
    unload(&loaded);
}

/* Loads a text that must be fine with a warning that holds all texts. */
static inline void expect_warning(const char *json, const char *const *texts)
{
    struct loaded loaded;
    load_good(&loaded, json, NULL, NULL);
    expect_message(&loaded.result.warnings, texts);
    unload(&loaded);
}

static inline void expect_good(const char *json)
{
    struct loaded loaded;
    load_good(&loaded, json, NULL, NULL);
    unload(&loaded);
}

#endif
