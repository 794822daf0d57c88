/* Long polling: one request for what follows a position in one channel, for clients with nothing
 * but HTTP.
 *
 *   GET <prefix>?channel=c[&since=<offset>&epoch=<epoch>][&timeout=<seconds>]
 *
 * Without `since` it waits for the next publication. The answer comes at once when there is
 * something after `since` or that cannot be told, else with the first publication or at the end of
 * the time:
 *   {"epoch":E,"offset":N,"recovered":true|false,"publications":[...]}
 * `offset` (also in the header Holdfast-Since) is the next request's `since`. A poll is a
 * unidirectional session that ends with its answer; it counts as a connection. Then the connection
 * goes on with HTTP. Worker's thread only. */
#ifndef HF_SERVER_POLL_H
#define HF_SERVER_POLL_H

#include "net/http.h"

hf_http_handler hf_poll_handle;

#endif
