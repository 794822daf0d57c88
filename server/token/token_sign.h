/* Token signing: makes the tokens of the console commands. Applications sign theirs themselves.
 * Pure, any thread. */
#ifndef HF_SERVER_TOKEN_SIGN_H
#define HF_SERVER_TOKEN_SIGN_H

#include <stdint.h>

#include "config/config.h"

/* A token signed with HS256 and keys->hmac_secret_key, with iat and, unless ttl_s is -1, exp.
 * channel: NULL for a connection token. now_s: since 1970. The caller frees it; NULL: no memory. */
char *hf_token_sign(const struct hf_config_token *keys, const char *user, const char *channel,
                    int64_t ttl_s, int64_t now_s) __attribute__((warn_unused_result));

#endif
