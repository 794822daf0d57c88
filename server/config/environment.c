#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "config/value.h"

#define NAMESPACES      "CHANNEL_NAMESPACES"
#define VARIABLE_MAX    256
#define PEER_PREFIX     "CENTRIFUGO_"
#define PREFIX          "HOLDFAST_"
#define PEER_VAR_PREFIX "VAR_"

/* One variable: `name` without prefix, `key` with it, `value` not empty. */
struct variable {
    char key[VARIABLE_MAX];
    const char *name;
    const char *value;
};

/* Takes "NAME=value" apart; false when it is not ours, or empty, which is the same as unset. */
static bool read_variable(const char *entry, const char *prefix, struct variable *variable)
{
    size_t prefix_len = strlen(prefix);
    const char *equals = strchr(entry, '=');
    if (strncmp(entry, prefix, prefix_len) != 0 || equals == NULL || equals[1] == '\0') {
        return false;
    }
    snprintf(variable->key, sizeof(variable->key), "%.*s", (int)(equals - entry), entry);
    variable->name = variable->key + prefix_len;
    variable->value = equals + 1;
    return true;
}

/* Whether text ends with `_PORT_<number>_<TCP|UDP|SCTP>` and possibly `_PROTO`, `_PORT`, `_ADDR`.
 */
static bool is_service_port(const char *text)
{
    static const char *const ends[] = {"", "_PROTO", "_PORT", "_ADDR"};
    static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
    const char *digits = strstr(text, "_PORT_");
    if (digits == NULL || !isdigit((unsigned char)digits[6])) {
        return false;
    }
    digits += 6;
    digits += strspn(digits, "0123456789");
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        size_t len = strlen(protocols[i]);
        for (size_t j = 0; j < sizeof(ends) / sizeof(ends[0]); j++) {
            if (strncmp(digits, protocols[i], len) == 0 && strcmp(digits + len, ends[j]) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Kubernetes sets such variables for a service that is called like us. */
static bool is_service_link(const struct variable *variable)
{
    const char *start = variable->name - 1; /* the underscore at the end of the prefix */
    size_t len = strlen(start);
    return (len >= 5 && strcmp(start + len - 5, "_PORT") == 0 &&
            strstr(variable->value, "://") != NULL) ||
           (len >= 13 && strcmp(start + len - 13, "_SERVICE_HOST") == 0) ||
           strstr(start, "_SERVICE_PORT") != NULL || is_service_port(start);
}

/* Names separated by spaces: namespaces with nothing but a name, to be filled by variables. */
static void apply_names(struct hf_loader *loader, const struct variable *variable)
{
    static const struct hf_option list_option = {.type = HF_OPTION_LIST};
    struct hf_string_list names = {0};
    char why[HF_VALUE_WHY_MAX];
    if (hf__value_set_text(&list_option, &names, variable->value, why) != HF_VALUE_OK) {
        loader->no_memory = true;
        return;
    }
    if (hf__namespaces_replace(loader, names.count)) {
        for (size_t i = 0; i < names.count; i++) {
            hf__apply_channel_text(loader, &loader->config->channel.namespaces[i],
                                   hf__channel_option_find("name"), variable->key, names.items[i]);
        }
    }
    hf__value_clear(&list_option, &names);
}

static void apply_namespaces(struct hf_loader *loader, const struct variable *variable)
{
    if (variable->value[strspn(variable->value, " \t\r\n")] != '[') {
        apply_names(loader, variable);
        return;
    }
    json_error_t error;
    json_t *value = json_loads(variable->value, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        hf__loader_error(loader, variable->key, "is not valid JSON at column %d", error.column);
        return;
    }
    json_t *lowered = hf__lower_keys(loader, variable->key, value);
    json_decref(value);
    if (lowered == NULL) {
        loader->no_memory = true;
        return;
    }
    hf__apply_namespaces(loader, variable->key, lowered);
    json_decref(lowered);
}

/* Sets an option of one namespace: the name of the option in the environment is `name`. */
static bool apply_to_namespace(struct hf_loader *loader, struct hf_channel_options *options,
                               const char *name, const struct variable *variable)
{
    char candidate[HF_CONFIG_PATH_MAX];
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        hf__catalogue_environment_name(hf__channel_options[i].path, candidate);
        if (strcmp(candidate, name) == 0 && strcmp(name, "NAME") != 0) {
            hf__apply_channel_text(loader, options, &hf__channel_options[i], variable->key,
                                   variable->value);
            return true;
        }
    }
    for (const struct hf_peer_key *peer = hf__peer_channel_keys; peer->name != NULL; peer++) {
        hf__catalogue_environment_name(peer->name, candidate);
        if (strcmp(candidate, name) == 0) {
            struct hf_catalogue_entry entry = {.peer = peer};
            hf__apply_text(loader, &entry, variable->key, variable->value);
            return true;
        }
    }
    return false;
}

/* CHANNEL_NAMESPACES_<NAME>_<OPTION>; false when no namespace and option fit. */
static bool apply_namespace_option(struct hf_loader *loader, const struct variable *variable)
{
    if (strncmp(variable->name, NAMESPACES "_", sizeof(NAMESPACES)) != 0) {
        return false;
    }
    const char *rest = variable->name + sizeof(NAMESPACES);
    struct hf_config_channel *channel = &loader->config->channel;
    for (size_t i = 0; i < channel->namespace_count; i++) {
        char name[HF_CONFIG_PATH_MAX];
        size_t len = strlen(channel->namespaces[i].name);
        if (len == 0 || len >= sizeof(name)) {
            continue;
        }
        hf__catalogue_environment_name(channel->namespaces[i].name, name);
        if (strncmp(rest, name, len) == 0 && rest[len] == '_' &&
            apply_to_namespace(loader, &channel->namespaces[i], rest + len + 1, variable)) {
            return true;
        }
    }
    return false;
}

/* The name in the environment of what a flat key of an older version became, or NULL. */
static const char *find_flat(const char *name)
{
    char candidate[HF_CONFIG_PATH_MAX];
    for (const struct hf_flat_key *flat = hf__flat_keys; flat->key != NULL; flat++) {
        hf__catalogue_environment_name(flat->key, candidate);
        if (strcmp(candidate, name) == 0) {
            return flat->path;
        }
    }
    return NULL;
}

static void refuse_unknown(struct hf_loader *loader, const struct variable *variable)
{
    char nearest[HF_CONFIG_PATH_MAX];
    const char *path = find_flat(variable->name);
    if (path == NULL) {
        hf__suggest_environment(loader, variable->name, nearest);
    } else {
        hf__catalogue_environment_name(path, nearest);
    }
    hf__loader_error(loader, variable->key,
                     "unknown variable; the nearest valid one is " PREFIX "%s", nearest);
}

static void apply_variable(struct hf_loader *loader, const struct variable *variable)
{
    const struct hf_catalogue_entry *entry = hf__catalogue_find_environment(loader, variable->name);
    if (entry != NULL) {
        hf__apply_text(loader, entry, variable->key, variable->value);
    } else if (!apply_namespace_option(loader, variable) && !is_service_link(variable)) {
        refuse_unknown(loader, variable);
    }
}

void hf__load_environment(struct hf_loader *loader, const char *const envp[])
{
    static const char *const prefixes[] = {PEER_PREFIX, PREFIX};
    struct variable variable;
    loader->source = "environment";
    /* The list of namespaces first, whatever the order of the variables: others refer to it. */
    for (size_t i = 0; i < 2; i++) {
        for (const char *const *entry = envp; *entry != NULL; entry++) {
            if (read_variable(*entry, prefixes[i], &variable) &&
                strcmp(variable.name, NAMESPACES) == 0) {
                apply_namespaces(loader, &variable);
            }
        }
    }
    for (size_t i = 0; i < 2; i++) {
        for (const char *const *entry = envp; *entry != NULL; entry++) {
            if (read_variable(*entry, prefixes[i], &variable) &&
                strcmp(variable.name, NAMESPACES) != 0 &&
                (i == 1 || strncmp(variable.name, PEER_VAR_PREFIX, strlen(PEER_VAR_PREFIX)) != 0)) {
                apply_variable(loader, &variable);
            }
        }
    }
}
