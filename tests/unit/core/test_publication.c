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

static void destroy(struct hf_attachment *attachment)
{
    free(attachment);
    atomic_fetch_add(&destroyed, 1);
}

static struct hf_attachment *new_attachment(unsigned slot)
{
    struct hf_attachment *attachment = malloc(sizeof *attachment);
    assert_non_null(attachment);
    *attachment = (struct hf_attachment){.destroy = destroy, .slot = slot};
    return attachment;
}

static void an_attachment_is_destroyed_once_with_the_last_reference(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct hf_publication *publication = new_publication(1);
    enum { SLOTS = 5 };
    struct hf_attachment *attached[SLOTS];
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        assert_null(hf_publication_attachment(publication, slot));
        attached[slot] = new_attachment(slot);
        assert_ptr_equal(hf_publication_attach(publication, attached[slot]), attached[slot]);
    }
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        assert_ptr_equal(hf_publication_attachment(publication, slot), attached[slot]);
    }
    assert_ptr_equal(hf_publication_ref(publication), publication);
    hf_publication_unref(publication);
    assert_int_equal(atomic_load(&destroyed), 0);
    hf_publication_unref(publication);
    assert_int_equal(atomic_load(&destroyed), SLOTS);
}

static void a_second_attachment_to_a_slot_is_told_of_the_first(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct hf_publication *publication = new_publication(1);
    struct hf_attachment *first = new_attachment(2), *second = new_attachment(2);
    assert_ptr_equal(hf_publication_attach(publication, first), first);
    assert_ptr_equal(hf_publication_attach(publication, second), first);
    free(second); /* still ours */
    hf_publication_unref(publication);
    assert_int_equal(atomic_load(&destroyed), 1);
}

static void a_view_has_the_fields_but_attachments_of_its_own(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    struct hf_publication *publication = new_publication(1);
    struct hf_publication *view = hf_publication_view(publication);
    assert_non_null(view);
    assert_int_equal(view->position.offset, 1);
    assert_ptr_equal(view->fields.data.data, publication->fields.data.data);
    assert_int_equal(view->size, publication->size);
    assert_ptr_equal(hf_publication_origin(view), publication);
    assert_ptr_equal(hf_publication_origin(publication), publication);
    struct hf_attachment *attachment = new_attachment(0);
    assert_ptr_equal(hf_publication_attach(view, attachment), attachment);
    assert_null(hf_publication_attachment(publication, 0));
    hf_publication_unref(publication); /* the bytes stay for the view */
    assert_memory_equal(view->fields.data.data, publication->fields.data.data,
                        publication->fields.data.len);
    hf_publication_unref(view);
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
        hf_publication_attach(items[i], new_attachment(0));
    }
    struct hf_page *page = hf_page_new(items, 3);
    assert_non_null(page);
    struct hf_attachment *attachment = new_attachment(1);
    assert_ptr_equal(hf_page_attach(page, attachment), attachment);
    assert_ptr_equal(hf_page_attachment(page, 1), attachment);
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
        struct hf_attachment *own = malloc(sizeof *own);
        *own = (struct hf_attachment){.destroy = destroy};
        pthread_barrier_wait(&race->start);
        struct hf_publication *publication = race->publications[i];
        struct hf_attachment *winner = hf_publication_attach(publication, own);
        if (winner != own) {
            free(own);
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
        cmocka_unit_test(a_view_has_the_fields_but_attachments_of_its_own),
        cmocka_unit_test(a_page_holds_its_publications_and_sums_their_sizes),
        cmocka_unit_test(two_threads_that_attach_at_once_see_one_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
