#include "client/tags_filter.h"

#include <stdlib.h>
#include <string.h>

#include "client/decimal.h"
#include "json.h"

enum operation {
    OPERATION_NONE, /* unknown */
    OPERATION_AND,
    OPERATION_OR,
    OPERATION_NOT,
    /* leaves */
    OPERATION_EQUAL,
    OPERATION_NOT_EQUAL,
    OPERATION_IN,
    OPERATION_NOT_IN,
    OPERATION_EXISTS,
    OPERATION_EXISTS_NOT,
    OPERATION_STARTS_WITH,
    OPERATION_ENDS_WITH,
    OPERATION_CONTAINS,
    OPERATION_GREATER,
    OPERATION_GREATER_OR_EQUAL,
    OPERATION_LESS,
    OPERATION_LESS_OR_EQUAL,
};

static const struct {
    const char *name;
    enum operation operation;
} branches[] = {{"and", OPERATION_AND}, {"or", OPERATION_OR}, {"not", OPERATION_NOT}},
  leaves[] = {
      {"eq", OPERATION_EQUAL},
      {"neq", OPERATION_NOT_EQUAL},
      {"in", OPERATION_IN},
      {"nin", OPERATION_NOT_IN},
      {"ex", OPERATION_EXISTS},
      {"nex", OPERATION_EXISTS_NOT},
      {"sw", OPERATION_STARTS_WITH},
      {"ew", OPERATION_ENDS_WITH},
      {"ct", OPERATION_CONTAINS},
      {"gt", OPERATION_GREATER},
      {"gte", OPERATION_GREATER_OR_EQUAL},
      {"lt", OPERATION_LESS},
      {"lte", OPERATION_LESS_OR_EQUAL},
};

struct node {
    enum operation operation;
    struct hf_slice key;
    struct hf_slice value;
    struct hf_slice *values; /* values_count */
    size_t values_count;
    struct node *nodes; /* nodes_count */
    size_t nodes_count;
};

/* One allocation: the nodes, the slices of lists, and the texts. */
struct hf_tags_filter {
    struct node root;
};

/* --- checking ------------------------------------------------------------------------------- */

struct size {
    size_t nodes;  /* without the root */
    size_t values; /* of lists */
    size_t text;   /* bytes */
};

static enum operation operation_of(const struct hf_filter_node *node)
{
    if (hf_slice_is_empty(node->op)) {
        for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
            if (hf_slice_equal(node->cmp, hf_slice_of(leaves[i].name))) {
                return leaves[i].operation;
            }
        }
        return OPERATION_NONE;
    }
    for (size_t i = 0; i < sizeof(branches) / sizeof(branches[0]); i++) {
        if (hf_slice_equal(node->op, hf_slice_of(branches[i].name))) {
            return branches[i].operation;
        }
    }
    return OPERATION_NONE;
}

/* What is wrong with a leaf, or NULL. */
static const char *check_leaf(const struct hf_filter_node *node, enum operation operation)
{
    bool has_value = !hf_slice_is_empty(node->val);
    bool has_values = node->vals_count > 0;

    switch (operation) {
    case OPERATION_EXISTS:
    case OPERATION_EXISTS_NOT:
        return has_value || has_values ? "ex and nex take no value" : NULL;
    case OPERATION_IN:
    case OPERATION_NOT_IN:
        if (!has_values || has_value) {
            return "in and nin take vals, and no val";
        }
        break;
    default:
        if (!has_value || has_values) {
            return "the comparison takes a val, and no vals";
        }
        break;
    }
    return hf_slice_is_empty(node->key) ? "a comparison needs a key" : NULL;
}

/* What is wrong with the tree, or NULL; adds up what it needs. Recursion ends at depth_left 0. */
static const char *check(const struct hf_filter_node *node, unsigned depth_left, struct size *size)
{
    enum operation operation = operation_of(node);

    if (depth_left == 0) {
        return "nested too deep (holdfast.tags_filter_max_depth)";
    }
    size->text += node->key.len + node->val.len;
    switch (operation) {
    case OPERATION_NONE:
        return hf_slice_is_empty(node->op) ? "unknown cmp" : "unknown op";
    case OPERATION_NOT:
        if (node->nodes_count != 1) {
            return "not takes one node";
        }
        break;
    case OPERATION_AND:
    case OPERATION_OR:
        if (node->nodes_count == 0) {
            return "and and or take nodes";
        }
        break;
    default:
        size->values += node->vals_count;
        for (size_t i = 0; i < node->vals_count; i++) {
            size->text += node->vals[i].len;
        }
        return check_leaf(node, operation);
    }
    size->nodes += node->nodes_count;
    for (size_t i = 0; i < node->nodes_count; i++) {
        const char *why = check(&node->nodes[i], depth_left - 1, size);

        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

/* --- copying -------------------------------------------------------------------------------- */

/* Where the next of each kind goes. */
struct room {
    struct node *nodes;
    struct hf_slice *values;
    char *text;
};

static struct hf_slice copy_text(struct room *room, struct hf_slice text)
{
    struct hf_slice copy = hf_slice(room->text, text.len);

    if (text.len > 0) {
        memcpy(room->text, text.data, text.len);
        room->text += text.len;
    }
    return copy;
}

static void copy_node(struct room *room, const struct hf_filter_node *from, struct node *to)
{
    *to = (struct node){.operation = operation_of(from),
                        .key = copy_text(room, from->key),
                        .value = copy_text(room, from->val)};
    if (to->operation < OPERATION_EQUAL) {
        to->nodes = room->nodes;
        to->nodes_count = from->nodes_count;
        room->nodes += from->nodes_count;
        for (size_t i = 0; i < from->nodes_count; i++) {
            copy_node(room, &from->nodes[i], &to->nodes[i]);
        }
        return;
    }
    to->values = room->values;
    to->values_count = from->vals_count;
    room->values += from->vals_count;
    for (size_t i = 0; i < from->vals_count; i++) {
        to->values[i] = copy_text(room, from->vals[i]);
    }
}

enum hf_tags_filter_result hf_tags_filter_new(const struct hf_filter_node *root,
                                              const struct hf_tags_filter_limits *limits,
                                              struct hf_tags_filter **filter, const char **reason)
{
    struct size size = {0};
    struct room room;
    size_t bytes;

    *reason = check(root, limits->depth_max, &size);
    if (*reason != NULL) {
        return HF_TAGS_FILTER_BAD;
    }
    bytes = sizeof(**filter) + size.nodes * sizeof(struct node) +
            size.values * sizeof(struct hf_slice) + size.text;
    if (bytes > limits->bytes_max) {
        *reason = "too large (holdfast.tags_filter_max_bytes)";
        return HF_TAGS_FILTER_BAD;
    }
    *filter = malloc(bytes);
    if (*filter == NULL) {
        *reason = "no memory";
        return HF_TAGS_FILTER_NO_MEMORY;
    }
    room.nodes = (struct node *)(*filter + 1);
    room.values = (struct hf_slice *)(room.nodes + size.nodes);
    room.text = (char *)(room.values + size.values);
    copy_node(&room, root, &(*filter)->root);
    return HF_TAGS_FILTER_OK;
}

void hf_tags_filter_free(struct hf_tags_filter *filter)
{
    free(filter);
}

/* --- tags ----------------------------------------------------------------------------------- */

/* Members that are texts; 0 when it is no object. */
static size_t count_tags(struct hf_slice text)
{
    struct hf_json json;
    struct hf_json_key key;
    size_t count = 0;

    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    if (hf_json_peek(&json) != HF_JSON_OBJECT) {
        return 0;
    }
    hf_json_object_begin(&json);
    while (hf_json_object_next(&json, &key)) {
        count += hf_json_peek(&json) == HF_JSON_STRING;
        hf_json_skip(&json);
    }
    return count;
}

bool hf_tags_read(struct hf_slice text, struct hf_arena *arena, struct hf_tags *tags)
{
    size_t count = count_tags(text);
    struct hf_json json;
    struct hf_json_key key;

    *tags = (struct hf_tags){0};
    if (count == 0) {
        return true;
    }
    tags->items = hf_arena_alloc(arena, count * sizeof(*tags->items));
    if (tags->items == NULL) {
        return false;
    }
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    hf_json_object_begin(&json);
    while (tags->count < count && hf_json_object_next(&json, &key)) {
        struct hf_tag *tag = &tags->items[tags->count];

        if (hf_json_peek(&json) != HF_JSON_STRING) {
            hf_json_skip(&json);
        } else if (hf_json_key_text(&json, &key, arena, &tag->key) &&
                   hf_json_get_string(&json, arena, &tag->value)) {
            tags->count++;
        }
    }
    return json.status != HF_JSON_NO_MEMORY;
}

/* --- matching ------------------------------------------------------------------------------- */

static const struct hf_slice *find_tag(const struct hf_tags *tags, struct hf_slice key)
{
    for (size_t i = tags->count; i > 0; i--) {
        if (hf_slice_equal(tags->items[i - 1].key, key)) {
            return &tags->items[i - 1].value;
        }
    }
    return NULL;
}

static bool is_listed(const struct node *leaf, struct hf_slice value)
{
    for (size_t i = 0; i < leaf->values_count; i++) {
        if (hf_slice_equal(leaf->values[i], value)) {
            return true;
        }
    }
    return false;
}

/* For texts of other kinds false. */
static bool compare_numbers(enum operation operation, struct hf_slice left, struct hf_slice right)
{
    struct hf_decimal a;
    struct hf_decimal b;
    int difference;

    if (!hf_decimal_parse(left, &a) || !hf_decimal_parse(right, &b)) {
        return false;
    }
    difference = hf_decimal_compare(&a, &b);
    return (operation == OPERATION_GREATER && difference > 0) ||
           (operation == OPERATION_GREATER_OR_EQUAL && difference >= 0) ||
           (operation == OPERATION_LESS && difference < 0) ||
           (operation == OPERATION_LESS_OR_EQUAL && difference <= 0);
}

/* A comparison that only a tag that is there can pass. */
static bool compare(const struct node *leaf, struct hf_slice value)
{
    struct hf_slice want = leaf->value;

    switch (leaf->operation) {
    case OPERATION_EQUAL:
        return hf_slice_equal(value, want);
    case OPERATION_STARTS_WITH:
        return value.len >= want.len && memcmp(value.data, want.data, want.len) == 0;
    case OPERATION_ENDS_WITH:
        return value.len >= want.len &&
               memcmp(value.data + value.len - want.len, want.data, want.len) == 0;
    case OPERATION_CONTAINS:
        return value.len >= want.len && memmem(value.data, value.len, want.data, want.len) != NULL;
    default:
        return compare_numbers(leaf->operation, value, want);
    }
}

static bool leaf_matches(const struct node *leaf, const struct hf_tags *tags)
{
    const struct hf_slice *value = find_tag(tags, leaf->key);

    switch (leaf->operation) {
    case OPERATION_EXISTS:
        return value != NULL;
    case OPERATION_EXISTS_NOT:
        return value == NULL;
    case OPERATION_IN:
        return is_listed(leaf, value != NULL ? *value : HF_SLICE(""));
    case OPERATION_NOT_IN:
        return !is_listed(leaf, value != NULL ? *value : HF_SLICE(""));
    case OPERATION_NOT_EQUAL:
        return value == NULL || !hf_slice_equal(*value, leaf->value);
    default:
        return value != NULL && compare(leaf, *value);
    }
}

static bool node_matches(const struct node *node, const struct hf_tags *tags)
{
    bool is_or = node->operation == OPERATION_OR;

    if (node->operation >= OPERATION_EQUAL) {
        return leaf_matches(node, tags);
    }
    if (node->operation == OPERATION_NOT) {
        return !node_matches(&node->nodes[0], tags);
    }
    for (size_t i = 0; i < node->nodes_count; i++) {
        if (node_matches(&node->nodes[i], tags) == is_or) {
            return is_or;
        }
    }
    return !is_or;
}

bool hf_tags_filter_matches(const struct hf_tags_filter *filter, const struct hf_tags *tags)
{
    return node_matches(&filter->root, tags);
}
