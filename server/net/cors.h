/* CORS: what pages of other origins may do with our HTTP transports. Worker's thread.
 *
 * A request is never refused over its Origin here; a page whose origin is not in
 * client.allowed_origins is just not told that it may read the answer. */
#ifndef HF_SERVER_CORS_H
#define HF_SERVER_CORS_H

#include "net/http.h"

#define HF_CORS_MAX 1400 /* bytes of the headers and the NUL */

/* Complete header lines for the answer, or "" without an allowed Origin. */
void hf_cors_headers(const struct hf_http_request *request, char out[HF_CORS_MAX]);

/* Answers OPTIONS with 204; `methods`: "POST, OPTIONS". */
void hf_cors_preflight(struct hf_http_request *request, const char *methods);

#endif
