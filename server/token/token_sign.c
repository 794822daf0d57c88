#include "token/token_sign.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64.h"
#include "buffer.h"
#include "json.h"

static void append_base64(struct hf_buffer *buffer, struct hf_slice bytes)
{
    if (hf_buffer_reserve(buffer, HF_BASE64_ENCODED_MAX(bytes.len))) {
        buffer->len += hf_base64_encode_url(bytes, buffer->data + buffer->len);
    }
}

static void append_member(struct hf_buffer *json, const char *name, const char *text)
{
    hf_buffer_append_char(json, json->len == 0 ? '{' : ',');
    hf_json_append_string(json, hf_slice_of(name));
    hf_buffer_append_char(json, ':');
    hf_json_append_string(json, hf_slice_of(text));
}

static void append_date(struct hf_buffer *json, const char *name, int64_t seconds)
{
    hf_buffer_append_char(json, json->len == 0 ? '{' : ',');
    hf_json_append_string(json, hf_slice_of(name));
    hf_buffer_append_char(json, ':');
    hf_buffer_append_i64(json, seconds);
}

static void write_claims(struct hf_buffer *json, const struct hf_config_token *keys,
                         const char *user, const char *channel, int64_t ttl_s, int64_t now_s)
{
    const char *claim = keys->user_id_claim;

    append_date(json, "iat", now_s);
    if (user[0] != '\0') {
        append_member(json, claim[0] == '\0' ? "sub" : claim, user);
    }
    if (channel != NULL) {
        append_member(json, "channel", channel);
    }
    if (ttl_s >= 0) {
        append_date(json, "exp", now_s + ttl_s);
    }
    if (keys->audience[0] != '\0') {
        append_member(json, "aud", keys->audience);
    }
    if (keys->issuer[0] != '\0') {
        append_member(json, "iss", keys->issuer);
    }
    hf_buffer_append_char(json, '}');
}

char *hf_token_sign(const struct hf_config_token *keys, const char *user, const char *channel,
                    int64_t ttl_s, int64_t now_s)
{
    struct hf_buffer claims;
    struct hf_buffer token;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    size_t len;

    hf_buffer_init(&claims, 0);
    hf_buffer_init(&token, 0);
    write_claims(&claims, keys, user, channel, ttl_s, now_s);
    append_base64(&token, HF_SLICE("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    hf_buffer_append_char(&token, '.');
    append_base64(&token, hf_buffer_slice(&claims));
    if (hf_buffer_failed(&claims) || hf_buffer_failed(&token) ||
        HMAC(EVP_sha256(), keys->hmac_secret_key, (int)strlen(keys->hmac_secret_key),
             (const unsigned char *)token.data, token.len, mac, &mac_len) == NULL) {
        hf_buffer_fini(&claims);
        hf_buffer_fini(&token);
        return NULL;
    }
    hf_buffer_append_char(&token, '.');
    append_base64(&token, hf_slice((const char *)mac, mac_len));
    hf_buffer_append_char(&token, '\0');
    hf_buffer_fini(&claims);
    return hf_buffer_take(&token, &len);
}
