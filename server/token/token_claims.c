#include "token/token_claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "json.h"
#include "pattern.h"
#include "token/token_override.h"

/* Dates beyond are taken as this one: far enough, and exact in every type here. */
#define DATE_MAX_S 1e11

struct reader {
    struct hf_json json;
    struct hf_arena *arena;
    const struct hf_config_token *config;
    struct hf_token_claims *claims;
    struct hf_slice subs;     /* raw; channels and subs are read once all else is known */
    struct hf_slice channels; /* raw */
    struct hf_slice issuer;
    double exp_s, nbf_s, expire_at_s; /* NAN: absent */
    bool is_audience;
};

/* --- single values -------------------------------------------------------------------------- */

static void take_string(struct reader *reader, struct hf_slice *value)
{
    if (!hf_json_take_null(&reader->json)) {
        (void)hf_json_get_string(&reader->json, reader->arena, value);
    }
}

/* A value as it stands; null is absent. */
static void take_raw(struct hf_json *json, struct hf_slice *value)
{
    if (!hf_json_take_null(json)) {
        (void)hf_json_raw(json, value);
    }
}

/* RFC 7519 section 2: a NumericDate is seconds since 1970, maybe with a fraction. */
static void take_date(struct reader *reader, double *seconds)
{
    struct hf_slice raw;
    char text[64];

    if (hf_json_take_null(&reader->json)) {
        return;
    }
    if (hf_json_peek(&reader->json) != HF_JSON_NUMBER) {
        hf_json_fail(&reader->json, "a date is no number");
        return;
    }
    if (!hf_json_raw(&reader->json, &raw)) {
        return;
    }
    if (raw.len >= sizeof(text)) {
        hf_json_fail(&reader->json, "a date is too long");
        return;
    }
    memcpy(text, raw.data, raw.len);
    text[raw.len] = '\0';
    *seconds = fmax(fmin(strtod(text, NULL), DATE_MAX_S), -DATE_MAX_S);
}

/* Base64 of a JSON value. */
static void take_base64(struct hf_json *json, struct hf_arena *arena, struct hf_slice *value)
{
    struct hf_slice text = {0};
    struct hf_slice bytes;

    if (hf_json_take_null(json) || !hf_json_get_string(json, arena, &text) ||
        hf_slice_is_empty(text)) {
        return;
    }
    switch (hf_base64_decode_arena(text, arena, &bytes)) {
    case HF_BASE64_OK:
        if (hf_json_is_valid_part(bytes)) {
            *value = bytes;
            return;
        }
        break;
    case HF_BASE64_MALFORMED:
        break;
    case HF_BASE64_NO_MEMORY:
        hf_json_fail_memory(json);
        return;
    }
    hf_json_fail(json, "b64info and b64data must hold JSON");
}

/* Whether a party is the one that is wanted, if any one is. */
static bool is_wanted(struct hf_slice name, const char *exact, const struct hf_pattern *pattern)
{
    if (pattern != NULL) {
        return hf_pattern_match(pattern, name.data, name.len) == HF_PATTERN_MATCHES;
    }
    return hf_slice_equal(name, hf_slice_of(exact));
}

static bool is_our_audience(const struct reader *reader, struct hf_slice name)
{
    return is_wanted(name, reader->config->audience, reader->config->audience_pattern);
}

/* aud: one name or several (RFC 7519 section 4.1.3). */
static void take_audience(struct reader *reader)
{
    struct hf_json *json = &reader->json;
    struct hf_slice name = {0};

    if (hf_json_peek(json) == HF_JSON_ARRAY) {
        (void)hf_json_array_begin(json);
        while (hf_json_array_next(json) && hf_json_get_string(json, reader->arena, &name)) {
            reader->is_audience = reader->is_audience || is_our_audience(reader, name);
        }
    } else {
        take_string(reader, &name);
        reader->is_audience = is_our_audience(reader, name);
    }
}

/* --- what a subscription is given ----------------------------------------------------------- */

/* What comes beside its plain form; both forms may be there in any order. */
struct encoded {
    struct hf_slice info;
    struct hf_slice data;
};

/* True when the member was one of a subscription's and its value is taken. */
static bool take_sub_member(struct hf_json *json, struct hf_arena *arena, struct hf_slice name,
                            struct hf_token_sub *sub, struct encoded *encoded)
{
    if (hf_slice_equal(name, HF_SLICE("info"))) {
        take_raw(json, &sub->info);
    } else if (hf_slice_equal(name, HF_SLICE("b64info"))) {
        take_base64(json, arena, &encoded->info);
    } else if (hf_slice_equal(name, HF_SLICE("data"))) {
        take_raw(json, &sub->data);
    } else if (hf_slice_equal(name, HF_SLICE("b64data"))) {
        take_base64(json, arena, &encoded->data);
    } else if (hf_slice_equal(name, HF_SLICE("override"))) {
        hf_token_take_overrides(json, arena, sub);
    } else {
        return false;
    }
    return true;
}

static void settle_encoded(struct hf_token_sub *sub, const struct encoded *encoded)
{
    if (!hf_slice_is_empty(encoded->info)) {
        sub->info = encoded->info;
    }
    if (!hf_slice_is_empty(encoded->data)) {
        sub->data = encoded->data;
    }
}

/* --- the subscriptions of a connection ------------------------------------------------------ */

/* How many elements or members there are, as an upper bound for the list. The text is valid. */
static size_t count_items(struct hf_slice raw)
{
    struct hf_json json;
    struct hf_json_key key;
    size_t count = 0;

    hf_json_init(&json, raw, HF_JSON_MAX_DEPTH);
    if (hf_json_peek(&json) == HF_JSON_ARRAY) {
        (void)hf_json_array_begin(&json);
        while (hf_json_array_next(&json) && hf_json_skip(&json)) {
            count++;
        }
    } else {
        (void)hf_json_object_begin(&json);
        while (hf_json_object_next(&json, &key) && hf_json_skip(&json)) {
            count++;
        }
    }
    return count;
}

/* The entry for a channel, which counts once however often it is named. */
static struct hf_token_sub *sub_of(struct hf_token_claims *claims, struct hf_slice channel)
{
    for (size_t i = 0; i < claims->subs_count; i++) {
        if (hf_slice_equal(claims->subs[i].channel, channel)) {
            return &claims->subs[i];
        }
    }
    claims->subs[claims->subs_count] = (struct hf_token_sub){.channel = channel};
    return &claims->subs[claims->subs_count++];
}

static enum hf_json_status read_channels(struct reader *reader)
{
    struct hf_json json;
    struct hf_slice channel;

    hf_json_init(&json, reader->channels, HF_JSON_MAX_DEPTH);
    (void)hf_json_array_begin(&json);
    while (!hf_json_failed(&json) && hf_json_array_next(&json) &&
           hf_json_get_string(&json, reader->arena, &channel)) {
        if (hf_slice_is_empty(channel)) {
            hf_json_fail(&json, "a channel without a name");
        } else {
            (void)sub_of(reader->claims, channel);
        }
    }
    return hf_json_end(&json);
}

static void read_sub(struct reader *reader, struct hf_json *json, struct hf_slice channel)
{
    struct hf_token_sub *sub = sub_of(reader->claims, channel);
    struct encoded encoded = {0};
    struct hf_json_key key;
    struct hf_slice name;

    if (hf_json_take_null(json)) {
        return;
    }
    (void)hf_json_object_begin(json);
    while (!hf_json_failed(json) && hf_json_object_next(json, &key) &&
           hf_json_key_text(json, &key, reader->arena, &name)) {
        if (!take_sub_member(json, reader->arena, name, sub, &encoded)) {
            (void)hf_json_skip(json);
        }
    }
    settle_encoded(sub, &encoded);
}

static enum hf_json_status read_subs(struct reader *reader)
{
    struct hf_json json;
    struct hf_json_key key;
    struct hf_slice channel;

    hf_json_init(&json, reader->subs, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key) &&
           hf_json_key_text(&json, &key, reader->arena, &channel)) {
        if (hf_slice_is_empty(channel)) {
            hf_json_fail(&json, "a channel without a name");
        } else {
            read_sub(reader, &json, channel);
        }
    }
    return hf_json_end(&json);
}

static enum hf_json_status read_all_subs(struct reader *reader)
{
    size_t channels = hf_slice_is_empty(reader->channels) ? 0 : count_items(reader->channels);
    size_t subs = hf_slice_is_empty(reader->subs) ? 0 : count_items(reader->subs);
    enum hf_json_status status = HF_JSON_OK;

    if (channels + subs > 0) {
        reader->claims->subs =
            hf_arena_alloc(reader->arena, (channels + subs) * sizeof(struct hf_token_sub));
        if (reader->claims->subs == NULL) {
            return HF_JSON_NO_MEMORY;
        }
    }
    if (!hf_slice_is_empty(reader->channels)) {
        status = read_channels(reader);
    }
    if (status == HF_JSON_OK && !hf_slice_is_empty(reader->subs)) {
        /* Beside subs that name any, channels are nothing but checked. */
        reader->claims->subs_count = subs > 0 ? 0 : reader->claims->subs_count;
        status = read_subs(reader);
    }
    return status;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* True when it was a claim about dates or parties. */
static bool take_registered(struct reader *reader, struct hf_slice name)
{
    if (hf_slice_equal(name, HF_SLICE("exp"))) {
        take_date(reader, &reader->exp_s);
    } else if (hf_slice_equal(name, HF_SLICE("nbf"))) {
        take_date(reader, &reader->nbf_s);
    } else if (hf_slice_equal(name, HF_SLICE("expire_at"))) {
        take_date(reader, &reader->expire_at_s);
    } else if (hf_slice_equal(name, HF_SLICE("iss"))) {
        take_string(reader, &reader->issuer);
    } else if (hf_slice_equal(name, HF_SLICE("aud"))) {
        take_audience(reader);
    } else {
        return false;
    }
    return true;
}

static void take_claim(struct reader *reader, struct hf_slice name, struct encoded *encoded)
{
    struct hf_token_claims *claims = reader->claims;
    const char *user_claim = reader->config->user_id_claim;

    if (hf_slice_equal(name, hf_slice_of(user_claim[0] == '\0' ? "sub" : user_claim))) {
        take_string(reader, &claims->user);
    } else if (take_registered(reader, name) ||
               take_sub_member(&reader->json, reader->arena, name, &claims->sub, encoded)) {
        return;
    } else if (hf_slice_equal(name, HF_SLICE("channel"))) {
        take_string(reader, &claims->sub.channel);
    } else if (hf_slice_equal(name, HF_SLICE("client"))) {
        take_string(reader, &claims->client);
    } else if (hf_slice_equal(name, HF_SLICE("meta"))) {
        take_raw(&reader->json, &claims->meta);
    } else if (hf_slice_equal(name, HF_SLICE("channels"))) {
        take_raw(&reader->json, &reader->channels);
    } else if (hf_slice_equal(name, HF_SLICE("subs"))) {
        take_raw(&reader->json, &reader->subs);
    } else {
        (void)hf_json_skip(&reader->json);
    }
}

static enum hf_token_result read_claims(struct reader *reader, enum hf_token_kind kind)
{
    struct hf_json *json = &reader->json;
    struct encoded encoded = {0};
    struct hf_json_key key;
    struct hf_slice name;
    enum hf_json_status status;

    hf_json_init(json, reader->claims->payload, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(json);
    while (!hf_json_failed(json) && hf_json_object_next(json, &key) &&
           hf_json_key_text(json, &key, reader->arena, &name)) {
        take_claim(reader, name, &encoded);
    }
    status = hf_json_end(json);
    settle_encoded(&reader->claims->sub, &encoded);
    reader->claims->info = reader->claims->sub.info;
    if (status == HF_JSON_OK && kind == HF_TOKEN_CONNECTION) {
        status = read_all_subs(reader);
    }
    return status == HF_JSON_NO_MEMORY ? HF_TOKEN_NO_MEMORY
           : status == HF_JSON_OK      ? HF_TOKEN_OK
                                       : HF_TOKEN_INVALID;
}

/* NULL, or why the token is not for us. */
static const char *check_parties(const struct reader *reader, enum hf_token_kind kind)
{
    const struct hf_config_token *config = reader->config;
    bool has_channel = !hf_slice_is_empty(reader->claims->sub.channel);

    if (kind == HF_TOKEN_CONNECTION && has_channel) {
        return "a subscription token";
    }
    if (kind == HF_TOKEN_SUBSCRIPTION && !has_channel) {
        return "no channel in it";
    }
    if ((config->audience[0] != '\0' || config->audience_pattern != NULL) && !reader->is_audience) {
        return "for another audience";
    }
    if ((config->issuer[0] != '\0' || config->issuer_pattern != NULL) &&
        !is_wanted(reader->issuer, config->issuer, config->issuer_pattern)) {
        return "from another issuer";
    }
    return NULL;
}

/* Whole seconds: an end rounded down is never too late. */
static int64_t seconds_of(double seconds)
{
    return (int64_t)floor(seconds);
}

static enum hf_token_result check_dates(struct reader *reader, int64_t now_ms, const char **reason)
{
    bool has_exp = !isnan(reader->exp_s);

    if (!isnan(reader->expire_at_s)) {
        reader->claims->expire_at_s = seconds_of(reader->expire_at_s);
    } else if (has_exp) {
        reader->claims->expire_at_s = seconds_of(reader->exp_s);
    }
    if (has_exp && seconds_of(reader->exp_s) * 1000 <= now_ms) {
        *reason = "expired";
        return HF_TOKEN_EXPIRED;
    }
    if (!isnan(reader->nbf_s) && reader->nbf_s * 1000 >= (double)now_ms) {
        *reason = "not valid yet";
        return HF_TOKEN_EXPIRED;
    }
    return HF_TOKEN_OK;
}

enum hf_token_result hf__token_claims_read(const struct hf_config_token *config,
                                           enum hf_token_kind kind, int64_t now_ms,
                                           struct hf_arena *arena, struct hf_token_claims *claims,
                                           const char **reason)
{
    struct reader reader = {
        .arena = arena,
        .config = config,
        .claims = claims,
        .exp_s = NAN,
        .nbf_s = NAN,
        .expire_at_s = NAN,
    };
    enum hf_token_result result = read_claims(&reader, kind);

    if (result != HF_TOKEN_OK) {
        *reason = "claims that are not as they should be";
        return result;
    }
    *reason = check_parties(&reader, kind);
    return *reason != NULL ? HF_TOKEN_INVALID : check_dates(&reader, now_ms, reason);
}
