/* Server API: what a backend asks over HTTP, `POST <prefix>/<method>` with a JSON body.
 *
 * Shapes, codes and transport rules are Centrifugo v6's (its public API documentation);
 * docs/compatibility.md lists the methods and what differs. What is not among them is HTTP 404.
 *
 * Worker's thread. A call is one HTTP request: it is answered exactly once, at the latest when the
 * worker's port is closed. An answer that memory does not suffice for is HTTP 500. */
#ifndef HF_SERVER_API_H
#define HF_SERVER_API_H

#include "api/api_routes.h"

#endif
