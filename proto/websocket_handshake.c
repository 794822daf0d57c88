#include "websocket.h"

#include <stdlib.h>

#include <openssl/evp.h>

/* Of the RFC: what a server adds to the key to show that it means this protocol. */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { KEY_LEN = 24, SHA1_LEN = 20 };

static struct hf_slice trim_blanks(struct hf_slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = hf_slice(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Takes the next entry of a comma-separated header value; false at its end. */
static bool next_entry(struct hf_slice *list, struct hf_slice *entry)
{
    if (list->len == 0) {
        return false;
    }
    const char *comma = memchr(list->data, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->data) : list->len;
    size_t taken = comma ? len + 1 : len;
    *entry = trim_blanks(hf_slice(list->data, len));
    *list = hf_slice(list->data + taken, list->len - taken);
    return true;
}

static bool has_token(struct hf_slice list, struct hf_slice token)
{
    struct hf_slice entry;
    while (next_entry(&list, &entry)) {
        if (hf_slice_equal_fold(entry, token)) {
            return true;
        }
    }
    return false;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* Base64 of 16 bytes. */
static bool is_key(struct hf_slice key)
{
    if (key.len != KEY_LEN || key.data[KEY_LEN - 2] != '=' || key.data[KEY_LEN - 1] != '=') {
        return false;
    }
    for (size_t i = 0; i < KEY_LEN - 2; i++) {
        if (!is_base64(key.data[i])) {
            return false;
        }
    }
    return true;
}

int hf_websocket_handshake_status(const struct hf_websocket_handshake *handshake)
{
    if (!hf_slice_equal(handshake->method, HF_SLICE("GET"))) {
        return 405;
    }
    bool is_http_11 = handshake->http_major == 1 && handshake->http_minor >= 1;
    if (!is_http_11 || !has_token(handshake->connection, HF_SLICE("upgrade")) ||
        !has_token(handshake->upgrade, HF_SLICE("websocket")) ||
        !hf_slice_equal(trim_blanks(handshake->version), HF_SLICE("13")) ||
        !is_key(trim_blanks(handshake->key))) {
        return 400;
    }
    return 101;
}

struct hf_websocket_hash {
    EVP_MD *sha1;
    EVP_MD_CTX *context;
};

struct hf_websocket_hash *hf_websocket_hash_new(void)
{
    struct hf_websocket_hash *hash = calloc(1, sizeof(*hash));
    if (hash == NULL) {
        return NULL;
    }
    hash->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    hash->context = EVP_MD_CTX_new();
    if (hash->sha1 == NULL || hash->context == NULL) {
        hf_websocket_hash_free(hash);
        return NULL;
    }
    return hash;
}

void hf_websocket_hash_free(struct hf_websocket_hash *hash)
{
    if (hash != NULL) {
        EVP_MD_CTX_free(hash->context);
        EVP_MD_free(hash->sha1);
        free(hash);
    }
}

bool hf_websocket_accept_key(struct hf_websocket_hash *hash, struct hf_slice key,
                             char out[HF_WEBSOCKET_ACCEPT_LEN + 1])
{
    key = trim_blanks(key);
    if (!is_key(key)) {
        return false;
    }
    char text[KEY_LEN + sizeof(ACCEPT_GUID) - 1];
    memcpy(text, key.data, KEY_LEN);
    memcpy(text + KEY_LEN, ACCEPT_GUID, sizeof(ACCEPT_GUID) - 1);
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex2(hash->context, hash->sha1, NULL) != 1 ||
        EVP_DigestUpdate(hash->context, text, sizeof(text)) != 1 ||
        EVP_DigestFinal_ex(hash->context, digest, NULL) != 1) {
        return false;
    }
    return EVP_EncodeBlock((unsigned char *)out, digest, SHA1_LEN) == HF_WEBSOCKET_ACCEPT_LEN;
}

enum hf_encoding hf_websocket_choose_subprotocol(struct hf_slice header, struct hf_slice *chosen)
{
    struct hf_slice entry;
    while (next_entry(&header, &entry)) {
        if (hf_slice_equal(entry, HF_SLICE("centrifuge-json"))) {
            *chosen = HF_SLICE("centrifuge-json");
            return HF_ENCODING_JSON;
        }
        if (hf_slice_equal(entry, HF_SLICE("centrifuge-protobuf"))) {
            *chosen = HF_SLICE("centrifuge-protobuf");
            return HF_ENCODING_PROTOBUF;
        }
    }
    *chosen = hf_slice(NULL, 0);
    return HF_ENCODING_JSON;
}
