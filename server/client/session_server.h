/* What the server does to a session of its own accord, on behalf of a backend. Worker's thread. */
#ifndef HF_SERVER_SESSION_SERVER_H
#define HF_SERVER_SESSION_SERVER_H

#include <stdbool.h>

#include "client/user_command.h"

struct hf_session;

/* Carries out the command. While the connect command waits for its channels, what cannot be done
 * yet is kept (the text is copied) until hf_session_serve_deferred; at most
 * holdfast.session_requests_max commands, with more the connection ends. May end it otherwise. */
void hf_session_serve(struct hf_session *session, const struct hf_user_command *command);
/* The session has just connected. May end it. */
void hf_session_serve_deferred(struct hf_session *session);
void hf_session_drop_deferred(struct hf_session *session);

/* Whether the client was given this id of its session; only some transports give one. */
bool hf_session_has_session_id(const struct hf_session *session, struct hf_slice id);

#endif
