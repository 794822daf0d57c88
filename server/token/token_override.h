/* Token override: what a token, or a backend, sets for a subscription whatever its namespace says:
 *   {"presence":{"value":true},"join_leave":...,"force_push_join_leave":...,
 *    "force_positioning":...,"force_recovery":...}
 * Pure, any thread. */
#ifndef HF_SERVER_TOKEN_OVERRIDE_H
#define HF_SERVER_TOKEN_OVERRIDE_H

#include "arena.h"
#include "json.h"
#include "token/token.h"

/* Takes the object, or null, into sub->overridden and override_values. Unknown members are ignored.
 */
void hf_token_take_overrides(struct hf_json *json, struct hf_arena *arena,
                             struct hf_token_sub *sub);

#endif
