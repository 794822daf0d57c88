/* How jemalloc is to behave in the broker. It is the broker's allocator because small blocks that
 * live long (what is remembered of a channel, a descriptor's slot in the event loop) lie apart from
 * larger ones that come and go with clients, so that the memory of many clients goes back to the
 * system when they have gone.
 *
 * background_thread  pages are given back also while the process is idle
 * dirty_decay_ms     ... within about a second of their last use
 * muzzy_decay_ms     ... at once for good, so that the resident size tells the truth
 * tcache_max         threads keep no larger free blocks than these bytes to themselves */
extern const char *malloc_conf;
const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_max:4096";
