/* Store cases: what the tests of the store contract share, which run on the memory store and then
 * on a real Redis. Helpers fail the test when the store does not answer HF_OK. */
#ifndef HF_TESTS_STORE_CASES_H
#define HF_TESTS_STORE_CASES_H

#include <stdint.h>

#include "store_client.h"

/* Setup and teardown of the group on Redis: all its cases share one server. */
int hf_cases_start_server(void **state);
int hf_cases_stop_server(void **state);
/* Setup and teardown of a case: *state is a connected struct hf_store_client on an empty store. */
int hf_cases_open_client(void **state);
int hf_cases_close_client(void **state);

#define HF_CASE(name)                                                                              \
    cmocka_unit_test_setup_teardown(name, hf_cases_open_client, hf_cases_close_client)
/* Runs them on both stores; the number of failures. */
#define HF_CASES_RUN(tests)                                                                        \
    (cmocka_run_group_tests_name("memory", tests, NULL, NULL) +                                    \
     cmocka_run_group_tests_name("redis", tests, hf_cases_start_server, hf_cases_stop_server))

/* With hf_options_10. */
struct hf_position hf_cases_publish(struct hf_store_client *client, const char *channel,
                                    const char *data);
/* "m1" to "m<count>". */
void hf_cases_publish_many(struct hf_store_client *client, const char *channel, int count);
struct hf_store_read hf_cases_read_of(const char *channel, uint32_t limit);
void hf_cases_read_ok(struct hf_store_client *client, struct hf_store_read *request);
/* The page's offsets are first, first + step, ...; and the data "m<offset>". */
void hf_cases_assert_page(const struct hf_store_read *request, uint64_t first, uint32_t count,
                          int step);

#endif
