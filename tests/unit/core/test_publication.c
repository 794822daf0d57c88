#include <holdfast/publication.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) ((struct hf_bytes){(text), sizeof(text) - 1})

static struct hf_publication *new_publication(uint64_t offset)
{
    const struct hf_publication_fields fields = {.data = BYTES("{}")};
    struct hf_publication *publication =
        hf_publication_new((struct hf_position){5, offset}, &fields);
    assert_non_null(publication);
    return publication;
}

static void assert_bytes(struct hf_bytes bytes, const char *text, size_t len)
{
    assert_int_equal(bytes.len, len);
    if (len > 0) {
        assert_memory_equal(bytes.data, text, len);
    }
}

static void a_publication_keeps_its_own_copy_of_every_field(void **state)
{
    (void)state;
    char data[] = "da\0ta", info[] = "info", tags[] = "{\"a\":\"b\"}";
    const struct hf_publication_fields fields = {
        .data = {data, sizeof data - 1},
        .info = {info, sizeof info - 1},
        .tags = {tags, sizeof tags - 1},
        .version = 42,
        .delta = true,
    };
    struct hf_publication *publication = hf_publication_new((struct hf_position){5, 9}, &fields);
    assert_non_null(publication);
    memset(data, '!', sizeof data);
    memset(info, '!', sizeof info);
    memset(tags, '!', sizeof tags);
    assert_true(hf_position_equal(publication->position, (struct hf_position){5, 9}));
    assert_bytes(publication->fields.data, "da\0ta", 5);
    assert_bytes(publication->fields.info, "info", 4);
    assert_bytes(publication->fields.tags, "{\"a\":\"b\"}", 9);
    assert_int_equal(publication->fields.version, 42);
    assert_true(publication->fields.delta);
    assert_true(publication->size >= sizeof *publication + 18);
    hf_publication_unref(publication);
}

static void a_publication_without_fields_has_empty_ones(void **state)
{
    (void)state;
    const struct hf_publication_fields fields = {0};
    struct hf_publication *publication = hf_publication_new((struct hf_position){0, 0}, &fields);
    assert_non_null(publication);
    assert_bytes(publication->fields.data, "", 0);
    assert_bytes(publication->fields.info, "", 0);
    assert_bytes(publication->fields.tags, "", 0);
    hf_publication_unref(publication);
    hf_publication_unref(NULL);
    hf_page_unref(NULL);
}

static _Atomic unsigned destroyed;

static void destroy(void *value)
{
    free(value);
    atomic_fetch_add(&destroyed, 1);
}

static void *new_value(void)
{
    void *value = malloc(1);
    assert_non_null(value);
    return value;
}

static void an_attachment_is_destroyed_once_with_the_last_reference(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct hf_publication *publication = new_publication(1);
    void *values[HF_ATTACHMENTS];
    for (unsigned slot = 0; slot < HF_ATTACHMENTS; slot++) {
        assert_null(hf_publication_attachment(publication, slot));
        values[slot] = new_value();
        assert_ptr_equal(hf_publication_attach(publication, slot, values[slot], destroy),
                         values[slot]);
    }
    for (unsigned slot = 0; slot < HF_ATTACHMENTS; slot++) {
        assert_ptr_equal(hf_publication_attachment(publication, slot), values[slot]);
    }
    assert_ptr_equal(hf_publication_ref(publication), publication);
    hf_publication_unref(publication);
    assert_int_equal(atomic_load(&destroyed), 0);
    hf_publication_unref(publication);
    assert_int_equal(atomic_load(&destroyed), HF_ATTACHMENTS);
}

static void a_second_attachment_to_a_slot_is_told_of_the_first(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct hf_publication *publication = new_publication(1);
    void *first = new_value(), *second = new_value();
    assert_ptr_equal(hf_publication_attach(publication, 2, first, destroy), first);
    assert_ptr_equal(hf_publication_attach(publication, 2, second, destroy), first);
    free(second); /* still ours */
    hf_publication_unref(publication);
    assert_int_equal(atomic_load(&destroyed), 1);
}

static void a_page_holds_its_publications_and_sums_their_sizes(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct hf_publication *items[3];
    size_t size = 0;
    for (uint64_t i = 0; i < 3; i++) {
        items[i] = new_publication(i + 1);
        size += items[i]->size;
        hf_publication_attach(items[i], 0, new_value(), destroy);
    }
    struct hf_page *page = hf_page_new(items, 3);
    assert_non_null(page);
    void *value = new_value();
    assert_ptr_equal(hf_page_attach(page, 1, value, destroy), value);
    assert_ptr_equal(hf_page_attachment(page, 1), value);
    assert_null(hf_page_attachment(page, 0));
    for (size_t i = 0; i < 3; i++) {
        hf_publication_unref(items[i]);
    }
    assert_int_equal(atomic_load(&destroyed), 0);
    assert_int_equal(page->count, 3);
    assert_int_equal(page->size, size);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(page->items[i]->position.offset, i + 1);
    }
    assert_ptr_equal(hf_page_ref(page), page);
    hf_page_unref(page);
    assert_int_equal(atomic_load(&destroyed), 0);
    hf_page_unref(page);
    assert_int_equal(atomic_load(&destroyed), 4);
}

enum { RACERS = 2, ROUNDS = 2000 };

struct race {
    pthread_barrier_t start;
    struct hf_publication *publications[ROUNDS]; /* one reference for each racer */
    void *seen[RACERS][ROUNDS];
    unsigned lost[RACERS];
};

struct racer {
    struct race *race;
    unsigned index;
};

/* Attaches to each publication, reads back what is there, and lets go. Asserts belong to the test's
 * own thread, so what was seen is only written down. */
static void *run_racer(void *context)
{
    struct racer *racer = context;
    struct race *race = racer->race;
    for (size_t i = 0; i < ROUNDS; i++) {
        void *value = malloc(1);
        pthread_barrier_wait(&race->start);
        struct hf_publication *publication = race->publications[i];
        void *winner = hf_publication_attach(publication, 0, value, destroy);
        if (winner != value) {
            free(value);
            race->lost[racer->index]++;
        }
        race->seen[racer->index][i] =
            hf_publication_attachment(publication, 0) == winner ? winner : NULL;
        hf_publication_unref(publication);
    }
    return NULL;
}

static void two_threads_that_attach_at_once_see_one_winner(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct race *race = calloc(1, sizeof *race);
    assert_non_null(race);
    pthread_barrier_init(&race->start, NULL, RACERS);
    for (size_t i = 0; i < ROUNDS; i++) {
        race->publications[i] = hf_publication_ref(new_publication(i + 1));
    }
    pthread_t threads[RACERS];
    struct racer racers[RACERS];
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){race, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_racer, &racers[i]), 0);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_non_null(race->seen[0][i]);
        assert_ptr_equal(race->seen[0][i], race->seen[1][i]);
    }
    assert_int_equal(race->lost[0] + race->lost[1], ROUNDS);
    assert_int_equal(atomic_load(&destroyed), ROUNDS);
    pthread_barrier_destroy(&race->start);
    free(race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_keeps_its_own_copy_of_every_field),
        cmocka_unit_test(a_publication_without_fields_has_empty_ones),
        cmocka_unit_test(an_attachment_is_destroyed_once_with_the_last_reference),
        cmocka_unit_test(a_second_attachment_to_a_slot_is_told_of_the_first),
        cmocka_unit_test(a_page_holds_its_publications_and_sums_their_sizes),
        cmocka_unit_test(two_threads_that_attach_at_once_see_one_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
