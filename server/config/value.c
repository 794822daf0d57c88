#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"

#define QUOTE_MAX 64

static const char several_not_offered[] =
    "several addresses (client-side sharding) are known but not offered in this version; give one";

static void *field_of(const struct hf_option *option, void *base)
{
    return (char *)base + option->offset;
}

static const void *const_field_of(const struct hf_option *option, const void *base)
{
    return (const char *)base + option->offset;
}

static enum hf_value_result __attribute__((format(printf, 2, 3)))
bad(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, HF_VALUE_WHY_MAX, format, args);
    va_end(args);
    return HF_VALUE_BAD;
}

static bool is_hidden(const struct hf_option *option)
{
    return (option->flags & (HF_OPTION_SECRET | HF_OPTION_URL)) != 0;
}

/* A value for a message: quoted, cut, printable; hidden when it is or may hold a secret. */
static const char *quote(const struct hf_option *option, const char *text, char *buffer)
{
    if (is_hidden(option)) {
        return "the value";
    }
    size_t len = 0;
    buffer[len++] = '"';
    for (; *text != '\0' && len < QUOTE_MAX - 5; text++) {
        buffer[len++] = iscntrl((unsigned char)*text) ? '?' : *text;
    }
    memcpy(buffer + len, *text == '\0' ? "\"" : "...\"", *text == '\0' ? 2 : 5);
    return buffer;
}

void hf__value_describe_range(const struct hf_option *option, char *text, size_t size)
{
    char min[32];
    char max[32];
    const char *or_zero = (option->flags & HF_OPTION_ZERO_TOO) != 0 ? "0 or " : "";
    switch (option->type) {
    case HF_OPTION_BOOL:
        snprintf(text, size, "true or false");
        break;
    case HF_OPTION_INT:
        snprintf(text, size, "%s%" PRId64 " to %" PRId64, or_zero, option->min, option->max);
        break;
    case HF_OPTION_BYTES:
        snprintf(text, size, "%s%" PRId64 " to %" PRId64 ", also as 64KiB, 1MiB, 1GiB", or_zero,
                 option->min, option->max);
        break;
    case HF_OPTION_DURATION:
        hf__duration_format(option->min, min, sizeof(min));
        hf__duration_format(option->max, max, sizeof(max));
        snprintf(text, size, "%s%s to %s%s", or_zero, min, max,
                 (option->flags & HF_OPTION_WHOLE_SECONDS) != 0 ? ", whole seconds" : "");
        break;
    case HF_OPTION_STRING:
        snprintf(text, size, "a string");
        break;
    case HF_OPTION_LIST:
        snprintf(text, size, "a list of strings");
        break;
    case HF_OPTION_ENUM: {
        size_t len = 0;
        text[0] = '\0';
        for (const struct hf_option_choice *choice = option->choices; choice->text != NULL;
             choice++) {
            if (choice->is_offered && len < size) {
                len += (size_t)snprintf(text + len, size - len, "%s%s", len == 0 ? "" : ", ",
                                        choice->text[0] == '\0' ? "\"\"" : choice->text);
            }
        }
        break;
    }
    }
}

static enum hf_value_result out_of_range(const struct hf_option *option, const char *text,
                                         char *why)
{
    char range[256];
    char quoted[QUOTE_MAX];
    hf__value_describe_range(option, range, sizeof(range));
    return bad(why, "%s is not valid; valid is %s", quote(option, text, quoted), range);
}

static bool is_in_range(const struct hf_option *option, int64_t number)
{
    return (number >= option->min && number <= option->max) ||
           (number == 0 && (option->flags & HF_OPTION_ZERO_TOO) != 0);
}

static enum hf_value_result set_bool(const struct hf_option *option, void *base, const char *text,
                                     char *why)
{
    static const char *const yes[] = {"true", "1", "t"};
    static const char *const no[] = {"false", "0", "f"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *(bool *)field_of(option, base) = strcasecmp(text, yes[i]) == 0;
            return HF_VALUE_OK;
        }
    }
    return out_of_range(option, text, why);
}

/* Reads a decimal number with an optional unit of bytes; false when it is none. */
static bool read_number(const char *text, bool has_units, int64_t *number)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};

    if (!isdigit((unsigned char)*text) && *text != '-') {
        return false;
    }
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno != 0 || end == text) {
        return false;
    }
    for (size_t i = 0; i < (has_units ? sizeof(units) / sizeof(units[0]) : 1); i++) {
        if (strcasecmp(end, units[i].name) == 0) {
            return !__builtin_mul_overflow(parsed, INT64_C(1) << units[i].shift, number);
        }
    }
    return false;
}

static enum hf_value_result set_number(const struct hf_option *option, void *base, const char *text,
                                       char *why)
{
    int64_t number = 0;
    bool is_zero = (option->flags & HF_OPTION_EMPTY_TOO) != 0 && text[0] == '\0';
    if ((!is_zero && !read_number(text, option->type == HF_OPTION_BYTES, &number)) ||
        !is_in_range(option, number)) {
        return out_of_range(option, text, why);
    }
    if (option->type == HF_OPTION_INT) {
        *(uint32_t *)field_of(option, base) = (uint32_t)number;
    } else {
        *(uint64_t *)field_of(option, base) = (uint64_t)number;
    }
    return HF_VALUE_OK;
}

static enum hf_value_result set_duration(const struct hf_option *option, void *base,
                                         const char *text, char *why)
{
    int64_t duration_ms = 0;
    bool is_off =
        (option->flags & HF_OPTION_MINUS_ONE) != 0 &&
        (strcmp(text, "-1") == 0 || strcmp(text, "-1ns") == 0 || strcmp(text, "-1s") == 0);
    switch (is_off ? HF_DURATION_OK : hf__duration_parse(text, &duration_ms)) {
    case HF_DURATION_OK:
        break;
    case HF_DURATION_BARE_NUMBER:
        return bad(why,
                   "%.20s has no unit (the peer reads it as nanoseconds); write \"%.20ss\" for "
                   "seconds, or another unit of ms, s, m, h",
                   text, text);
    case HF_DURATION_TOO_FINE:
        return bad(why, "\"%.40s\" is finer than a millisecond", text);
    case HF_DURATION_MALFORMED:
        return bad(why,
                   "\"%.40s\" is not a duration; valid are forms like \"300ms\", \"10s\", "
                   "\"1h30m\"",
                   text);
    }
    if (!is_in_range(option, duration_ms)) {
        return out_of_range(option, text, why);
    }
    if ((option->flags & HF_OPTION_WHOLE_SECONDS) != 0 && duration_ms % 1000 != 0) {
        return bad(why, "\"%.40s\" is not a whole number of seconds", text);
    }
    *(int64_t *)field_of(option, base) = duration_ms;
    return HF_VALUE_OK;
}

static enum hf_value_result set_string(const struct hf_option *option, void *base, const char *text,
                                       char *why)
{
    if (text[0] == '\0' && (option->flags & HF_OPTION_NOT_EMPTY) != 0) {
        return bad(why, "must not be empty");
    }
    if ((option->flags & HF_OPTION_SINGLE) != 0 && strpbrk(text, " \t") != NULL) {
        return bad(why, "%s", several_not_offered);
    }
    size_t len = strlen(text);
    if ((option->flags & HF_OPTION_PATH) != 0) {
        while (len > 1 && text[len - 1] == '/') {
            len--;
        }
        if (text[0] != '/' || len == 1 || strpbrk(text, " ?#") != NULL) {
            char quoted[QUOTE_MAX];
            return bad(why, "%s is not a URL path like %s", quote(option, text, quoted),
                       option->fallback);
        }
    }
    char *copy = strndup(text, len);
    if (copy == NULL) {
        return HF_VALUE_NO_MEMORY;
    }
    hf__value_clear(option, base);
    *(char **)field_of(option, base) = copy;
    return HF_VALUE_OK;
}

static void free_list(struct hf_string_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct hf_string_list){0};
}

/* Adds a copy of len bytes. */
static bool list_add(struct hf_string_list *list, const char *text, size_t len)
{
    char **items = reallocarray(list->items, list->count + 1, sizeof(*items));
    if (items == NULL) {
        return false;
    }
    list->items = items;
    items[list->count] = strndup(text, len);
    if (items[list->count] == NULL) {
        return false;
    }
    list->count++;
    return true;
}

static void replace_list(const struct hf_option *option, void *base, struct hf_string_list list)
{
    hf__value_clear(option, base);
    *(struct hf_string_list *)field_of(option, base) = list;
}

/* A list as text: its elements separated by white space. */
static enum hf_value_result set_list(const struct hf_option *option, void *base, const char *text)
{
    static const char white_space[] = " \t\r\n";
    struct hf_string_list list = {0};
    for (text += strspn(text, white_space); *text != '\0'; text += strspn(text, white_space)) {
        size_t len = strcspn(text, white_space);
        if (!list_add(&list, text, len)) {
            free_list(&list);
            return HF_VALUE_NO_MEMORY;
        }
        text += len;
    }
    replace_list(option, base, list);
    return HF_VALUE_OK;
}

static enum hf_value_result set_enum(const struct hf_option *option, void *base, const char *text,
                                     char *why)
{
    for (const struct hf_option_choice *choice = option->choices; choice->text != NULL; choice++) {
        if (strcasecmp(text, choice->text) != 0) {
            continue;
        }
        if (!choice->is_offered) {
            char range[256];
            hf__value_describe_range(option, range, sizeof(range));
            return bad(why, "\"%s\" is known but not offered in this version; offered is %s", text,
                       range);
        }
        *(unsigned *)field_of(option, base) = choice->value;
        return HF_VALUE_OK;
    }
    return out_of_range(option, text, why);
}

enum hf_value_result hf__value_set_text(const struct hf_option *option, void *base,
                                        const char *text, char *why)
{
    switch (option->type) {
    case HF_OPTION_BOOL:
        return set_bool(option, base, text, why);
    case HF_OPTION_INT:
    case HF_OPTION_BYTES:
        return set_number(option, base, text, why);
    case HF_OPTION_DURATION:
        return set_duration(option, base, text, why);
    case HF_OPTION_STRING:
        return set_string(option, base, text, why);
    case HF_OPTION_LIST:
        return set_list(option, base, text);
    case HF_OPTION_ENUM:
        return set_enum(option, base, text, why);
    }
    return bad(why, "unknown type");
}

static const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "unknown";
}

static enum hf_value_result wrong_type(const struct hf_option *option, const json_t *value,
                                       char *why)
{
    char range[256];
    hf__value_describe_range(option, range, sizeof(range));
    return bad(why, "must be %s%s, not %s",
               option->type == HF_OPTION_DURATION ? "a string like \"10s\", " : "", range,
               json_type_name(value));
}

static enum hf_value_result set_json_list(const struct hf_option *option, void *base,
                                          const json_t *array, char *why)
{
    struct hf_string_list list = {0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_string(item)) {
            free_list(&list);
            return bad(why, "element %zu must be a string, not %s", i, json_type_name(item));
        }
        if (!list_add(&list, json_string_value(item), json_string_length(item))) {
            free_list(&list);
            return HF_VALUE_NO_MEMORY;
        }
    }
    replace_list(option, base, list);
    return HF_VALUE_OK;
}

/* An array where one string is asked for: the peer's shards, of which one is offered. */
static enum hf_value_result set_json_single(const struct hf_option *option, void *base,
                                            const json_t *array, char *why)
{
    if (json_array_size(array) > 1) {
        return bad(why, "%s", several_not_offered);
    }
    if (json_array_size(array) == 0) {
        return bad(why, "the list is empty; give one");
    }
    return hf__value_set_json(option, base, json_array_get(array, 0), why);
}

enum hf_value_result hf__value_set_json(const struct hf_option *option, void *base,
                                        const json_t *value, char *why)
{
    char digits[32];
    switch (json_typeof(value)) {
    case JSON_STRING:
        return hf__value_set_text(option, base, json_string_value(value), why);
    case JSON_TRUE:
    case JSON_FALSE:
        if (option->type == HF_OPTION_BOOL) {
            return hf__value_set_text(option, base, json_is_true(value) ? "true" : "false", why);
        }
        break;
    case JSON_INTEGER:
        if (option->type == HF_OPTION_INT || option->type == HF_OPTION_BYTES ||
            option->type == HF_OPTION_DURATION) {
            snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
            return hf__value_set_text(option, base, digits, why);
        }
        break;
    case JSON_ARRAY:
        if (option->type == HF_OPTION_LIST) {
            return set_json_list(option, base, value, why);
        }
        if ((option->flags & HF_OPTION_SINGLE) != 0) {
            return set_json_single(option, base, value, why);
        }
        break;
    case JSON_OBJECT:
    case JSON_REAL:
    case JSON_NULL:
        break;
    }
    return wrong_type(option, value, why);
}

void hf__value_clear(const struct hf_option *option, void *base)
{
    if (option->type == HF_OPTION_STRING) {
        char **text = field_of(option, base);
        free(*text);
        *text = NULL;
    } else if (option->type == HF_OPTION_LIST) {
        free_list(field_of(option, base));
    }
}

static size_t size_of(enum hf_option_type type)
{
    switch (type) {
    case HF_OPTION_BOOL:
        return sizeof(bool);
    case HF_OPTION_INT:
        return sizeof(uint32_t);
    case HF_OPTION_BYTES:
    case HF_OPTION_DURATION:
        return sizeof(uint64_t);
    case HF_OPTION_ENUM:
        return sizeof(unsigned);
    case HF_OPTION_STRING:
    case HF_OPTION_LIST:
        break;
    }
    return 0;
}

static bool lists_equal(const struct hf_string_list *list, const struct hf_string_list *other)
{
    bool is_equal = list->count == other->count;
    for (size_t i = 0; is_equal && i < list->count; i++) {
        is_equal = strcmp(list->items[i], other->items[i]) == 0;
    }
    return is_equal;
}

bool hf__value_equal(const struct hf_option *option, const void *base, const void *other)
{
    const char *field = (const char *)base + option->offset;
    const char *other_field = (const char *)other + option->offset;
    if (option->type == HF_OPTION_STRING) {
        return strcmp(*(const char *const *)(const void *)field,
                      *(const char *const *)(const void *)other_field) == 0;
    }
    if (option->type == HF_OPTION_LIST) {
        return lists_equal((const void *)field, (const void *)other_field);
    }
    return memcmp(field, other_field, size_of(option->type)) == 0;
}

static enum hf_value_result copy_list(const struct hf_option *option, void *to,
                                      const struct hf_string_list *from)
{
    struct hf_string_list list = {0};
    for (size_t i = 0; i < from->count; i++) {
        if (!list_add(&list, from->items[i], strlen(from->items[i]))) {
            free_list(&list);
            return HF_VALUE_NO_MEMORY;
        }
    }
    replace_list(option, to, list);
    return HF_VALUE_OK;
}

enum hf_value_result hf__value_copy(const struct hf_option *option, void *to, const void *from)
{
    const char *field = (const char *)from + option->offset;
    if (option->type == HF_OPTION_LIST) {
        return copy_list(option, to, (const void *)field);
    }
    if (option->type != HF_OPTION_STRING) {
        memcpy(field_of(option, to), field, size_of(option->type));
        return HF_VALUE_OK;
    }
    char *text = strdup(*(const char *const *)(const void *)field);
    if (text == NULL) {
        return HF_VALUE_NO_MEMORY;
    }
    hf__value_clear(option, to);
    *(char **)field_of(option, to) = text;
    return HF_VALUE_OK;
}

/* A URL whose part between "://" and the last '@' is hidden. */
static json_t *describe_url(const char *url)
{
    const char *at = strrchr(url, '@');
    if (at == NULL) {
        return json_string(url);
    }
    const char *scheme_end = strstr(url, "://");
    int scheme_len = scheme_end != NULL && scheme_end < at ? (int)(scheme_end + 3 - url) : 0;
    return json_sprintf("%.*s***%s", scheme_len, url, at);
}

static json_t *describe_string(const struct hf_option *option, const char *text)
{
    if (text[0] != '\0' && (option->flags & HF_OPTION_SECRET) != 0) {
        return json_string("***");
    }
    return (option->flags & HF_OPTION_URL) != 0 ? describe_url(text) : json_string(text);
}

static json_t *describe_list(const struct hf_string_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(array, json_string(list->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *describe_enum(const struct hf_option *option, unsigned value)
{
    for (const struct hf_option_choice *choice = option->choices; choice->text != NULL; choice++) {
        if (choice->is_offered && choice->value == value) {
            return json_string(choice->text);
        }
    }
    return json_null();
}

json_t *hf__value_describe(const struct hf_option *option, const void *base)
{
    const void *field = const_field_of(option, base);
    char duration[32];
    switch (option->type) {
    case HF_OPTION_BOOL:
        return json_boolean(*(const bool *)field);
    case HF_OPTION_INT:
        return json_integer(*(const uint32_t *)field);
    case HF_OPTION_BYTES:
        return json_integer((json_int_t) * (const uint64_t *)field);
    case HF_OPTION_DURATION:
        hf__duration_format(*(const int64_t *)field, duration, sizeof(duration));
        return json_string(duration);
    case HF_OPTION_STRING:
        return describe_string(option, *(char *const *)field);
    case HF_OPTION_LIST:
        return describe_list(field);
    case HF_OPTION_ENUM:
        return describe_enum(option, *(const unsigned *)field);
    }
    return NULL;
}

bool hf__value_is_harmless_text(const char *text, const char *peer_default)
{
    int64_t duration_ms;
    int64_t default_ms;
    if (text[0] == '\0' || strcasecmp(text, "false") == 0 || strcmp(text, "[]") == 0 ||
        strcmp(text, "{}") == 0 ||
        (hf__duration_parse(text, &duration_ms) == HF_DURATION_OK && duration_ms == 0)) {
        return true;
    }
    if (peer_default == NULL) {
        return false;
    }
    return strcmp(peer_default, HF_PEER_ANY) == 0 || strcmp(text, peer_default) == 0 ||
           (hf__duration_parse(text, &duration_ms) == HF_DURATION_OK &&
            hf__duration_parse(peer_default, &default_ms) == HF_DURATION_OK &&
            duration_ms == default_ms);
}

bool hf__value_is_harmless_json(const json_t *value, const char *peer_default)
{
    char digits[32];
    switch (json_typeof(value)) {
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return hf__value_is_harmless_text(json_string_value(value), peer_default);
    case JSON_INTEGER:
        snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return hf__value_is_harmless_text(digits, peer_default);
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (json_array_size(value) == 0 && json_object_size(value) == 0) {
            return true;
        }
        break;
    case JSON_TRUE:
    case JSON_REAL:
        break;
    }
    return peer_default != NULL && strcmp(peer_default, HF_PEER_ANY) == 0;
}
