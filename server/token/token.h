/* Token: verifies the JSON Web Tokens (RFC 7519) of connections and subscriptions.
 *
 * Signatures are checked with OpenSSL's EVP, claims are read with our own JSON reader: libjwt 1.10
 * picks the algorithm from the token and takes any key for it, has no fractional dates, and does
 * not give a claim's own bytes, which `info` must keep.
 *
 * A verifier is immutable; any thread may use it. What a token says in detail is never logged:
 * `reason` is a static text. Claims as in the peer's documentation, with these rules:
 *   names are matched exactly; a claim that is null is absent; "crit" in the header is refused
 *   exp is rounded down to whole seconds; a token is valid while nbf < now < exp
 *   info, data: any JSON value; b64info, b64data (which win) must hold one as well, since clients
 *   of the JSON encoding are told them */
#ifndef HF_SERVER_TOKEN_TOKEN_H
#define HF_SERVER_TOKEN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "config/config.h"
#include "slice.h"

struct hf_jwks;
struct hf_token_verifier;

enum hf_token_kind { HF_TOKEN_CONNECTION, HF_TOKEN_SUBSCRIPTION };

enum hf_token_result {
    HF_TOKEN_OK = 0,
    HF_TOKEN_INVALID,
    HF_TOKEN_EXPIRED,     /* well signed, but outside of nbf and exp; claims are filled */
    HF_TOKEN_KEY_PENDING, /* its key is being fetched: the same token may be valid later */
    HF_TOKEN_NO_MEMORY,
};

/* What a token may set for a subscription, whatever its namespace says. */
enum hf_token_override {
    HF_TOKEN_OVERRIDE_PRESENCE = 1 << 0,
    HF_TOKEN_OVERRIDE_JOIN_LEAVE = 1 << 1,
    HF_TOKEN_OVERRIDE_FORCE_PUSH_JOIN_LEAVE = 1 << 2,
    HF_TOKEN_OVERRIDE_FORCE_POSITIONING = 1 << 3,
    HF_TOKEN_OVERRIDE_FORCE_RECOVERY = 1 << 4,
};

struct hf_token_sub {
    struct hf_slice channel;
    struct hf_slice info;     /* raw JSON; empty = absent */
    struct hf_slice data;     /* same */
    unsigned overridden;      /* bits of enum hf_token_override that the token has */
    unsigned override_values; /* the same bits: what it says */
};

/* Slices live as long as the arena's content and the token's text. */
struct hf_token_claims {
    struct hf_slice user;   /* "" = anonymous */
    struct hf_slice client; /* subscription: of an older protocol; empty = any */
    struct hf_slice info;   /* raw JSON; empty = absent */
    struct hf_slice meta;   /* raw JSON object; never sent; empty = absent */
    int64_t expire_at_s;    /* when the connection or subscription ends, since 1970; 0 = never */
    /* subscription: `sub`, its channel not empty; connection: `subs`, or
     * `channels` where subs names none; each channel once */
    struct hf_token_sub sub;
    struct hf_token_sub *subs; /* arena */
    size_t subs_count;
    struct hf_slice payload; /* the claims' JSON text */
    struct hf_slice algorithm;
};

/* config: kept until hf_token_verifier_free. skips_signature: any well-formed token is believed.
 * jwks: where its keys come from instead of the configuration, taken in every case; NULL for none.
 * NULL: no memory, or a key that cannot be used (validation refuses those before). */
struct hf_token_verifier *hf_token_verifier_new(const struct hf_config_token *config,
                                                bool skips_signature, struct hf_jwks *jwks)
    __attribute__((warn_unused_result));
void hf_token_verifier_free(struct hf_token_verifier *verifier);

/* Blocks until keys that are fetched are there, or cannot be had; for console commands. */
void hf_token_verifier_wait(const struct hf_token_verifier *verifier);

/* now_ms: milliseconds since 1970. On failure *reason is set to a static text, and payload and
 * algorithm are set as far as they could be read. Time taken does not depend on secrets. */
enum hf_token_result hf_token_verify(const struct hf_token_verifier *verifier,
                                     enum hf_token_kind kind, struct hf_slice token, int64_t now_ms,
                                     struct hf_arena *arena, struct hf_token_claims *claims,
                                     const char **reason) __attribute__((warn_unused_result));

/* The two verifiers that a configuration asks for: one object when subscription tokens have no keys
 * of their own. */
struct hf_token_verifiers {
    struct hf_token_verifier *connection;   /* owned */
    struct hf_token_verifier *subscription; /* owned, or the same as connection */
};

/* HF_OK or HF_ENOMEM. */
int hf_token_verifiers_open(struct hf_token_verifiers *verifiers, const struct hf_config *config)
    __attribute__((warn_unused_result));
/* Zeroed ones are fine. */
void hf_token_verifiers_close(struct hf_token_verifiers *verifiers);

#endif
