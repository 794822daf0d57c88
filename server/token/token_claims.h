/* Token claims: reads and judges the payload of a token whose signature was checked. Private to
 * token/; pure, any thread. */
#ifndef HF_SERVER_TOKEN_CLAIMS_H
#define HF_SERVER_TOKEN_CLAIMS_H

#include "token/token.h"

/* Reads claims->payload into the other members and checks audience, issuer, kind and dates. */
enum hf_token_result hf__token_claims_read(const struct hf_config_token *config,
                                           enum hf_token_kind kind, int64_t now_ms,
                                           struct hf_arena *arena, struct hf_token_claims *claims,
                                           const char **reason) __attribute__((warn_unused_result));

#endif
