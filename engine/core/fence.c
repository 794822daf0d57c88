#include "core/fence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool hf_fence_init(struct hf_fence *fence, const struct hf_fence_config *config)
{
    assert(config->peers_max > 0);
    memset(fence, 0, sizeof *fence);
    fence->config = *config;
    fence->peers = calloc(config->peers_max, sizeof *fence->peers);
    return fence->peers != NULL;
}

void hf_fence_fini(struct hf_fence *fence)
{
    free(fence->peers);
    fence->peers = NULL;
}

void hf_fence_connected(struct hf_fence *fence, uint64_t life, uint64_t admitted_life,
                        uint64_t now_ms)
{
    bool is_admitted = admitted_life == 0 || admitted_life == life;
    bool must_meet = !fence->is_acquainted && !is_admitted;
    fence->hello_ms = must_meet ? fence->config.peer_timeout_ms : fence->config.hello_ms;
    fence->is_connected = true;
    fence->is_echoed = false;
    fence->connected_ms = fence->listening_ms = now_ms;
    fence->must_say = true;
    if (life != fence->life) {
        fence->must_ask = true;
        fence->life = life;
        fence->is_checked = false;
    }
}

void hf_fence_disconnected(struct hf_fence *fence)
{
    fence->is_connected = false;
}

void hf_fence_checked(struct hf_fence *fence)
{
    if (!fence->is_checked) {
        fence->is_checked = true;
        fence->must_say = true;
    }
}

static struct hf_fence_peer *find_peer(struct hf_fence *fence, uint64_t number)
{
    struct hf_fence_peer *oldest = &fence->peers[0];
    for (uint32_t i = 0; i < fence->count; i++) {
        struct hf_fence_peer *peer = &fence->peers[i];
        if (peer->number == number) {
            return peer;
        }
        oldest = peer->heard_ms < oldest->heard_ms ? peer : oldest;
    }
    struct hf_fence_peer *added =
        fence->count < fence->config.peers_max ? &fence->peers[fence->count++] : oldest;
    *added = (struct hf_fence_peer){.number = number};
    return added;
}

static bool is_deaf(const struct hf_fence *fence, uint64_t now_ms)
{
    return !fence->is_echoed || now_ms >= fence->echo_ms + fence->config.deaf_ms;
}

static void hear_itself(struct hf_fence *fence, const struct hf_fence_word *word, uint64_t now_ms)
{
    if (word->said_ms >= fence->connected_ms) {
        bool is_new = now_ms < fence->connected_ms + fence->config.deaf_ms;
        if (is_deaf(fence, now_ms) && !is_new) {
            fence->listening_ms = now_ms;
        }
        fence->is_echoed = true;
        fence->echo_ms = word->said_ms > fence->echo_ms ? word->said_ms : fence->echo_ms;
        fence->is_acquainted |=
            fence->echo_ms - fence->connected_ms >= fence->config.peer_timeout_ms;
    }
}

void hf_fence_heard(struct hf_fence *fence, const struct hf_fence_word *word, uint64_t now_ms)
{
    if (word->number == fence->config.self) {
        hear_itself(fence, word, now_ms);
        return;
    }
    struct hf_fence_peer *peer = find_peer(fence, word->number);
    peer->checked_life = word->checked_life;
    peer->heard_ms = now_ms;
    fence->must_say |= word->wants_answer;
}

/* Silent peers are only counted as such while we listen ourselves. */
static bool is_alive(const struct hf_fence *fence, const struct hf_fence_peer *peer,
                     uint64_t now_ms)
{
    uint64_t since_ms = peer->heard_ms > fence->listening_ms ? peer->heard_ms : fence->listening_ms;
    return is_deaf(fence, now_ms) || now_ms - since_ms < fence->config.peer_timeout_ms;
}

static void forget_dead(struct hf_fence *fence, uint64_t now_ms)
{
    for (uint32_t i = 0; i < fence->count;) {
        if (is_alive(fence, &fence->peers[i], now_ms)) {
            i++;
        } else {
            fence->peers[i] = fence->peers[--fence->count];
        }
    }
}

bool hf_fence_says(struct hf_fence *fence, struct hf_fence_word *word, uint64_t now_ms)
{
    if (!fence->is_connected ||
        (!fence->must_say && now_ms - fence->said_ms < fence->config.heartbeat_ms)) {
        return false;
    }
    forget_dead(fence, now_ms);
    *word = (struct hf_fence_word){
        .number = fence->config.self,
        .checked_life = fence->is_checked ? fence->life : 0,
        .said_ms = now_ms,
        .wants_answer = fence->must_ask,
    };
    fence->must_say = fence->must_ask = false;
    fence->said_ms = now_ms;
    return true;
}

bool hf_fence_is_open(struct hf_fence *fence, uint64_t now_ms)
{
    if (!fence->is_connected || is_deaf(fence, now_ms)) {
        return false;
    }
    if (fence->open_life == fence->life) {
        return true;
    }
    if (!fence->is_checked || now_ms - fence->connected_ms < fence->hello_ms) {
        return false;
    }
    for (uint32_t i = 0; i < fence->count; i++) {
        const struct hf_fence_peer *peer = &fence->peers[i];
        if (peer->checked_life != fence->life && is_alive(fence, peer, now_ms)) {
            return false;
        }
    }
    fence->open_life = fence->life;
    return true;
}
