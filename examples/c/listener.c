/* Prints what happens in a daemon, as it happens: the topic and the JSON of each event.
 *
 *     cc -o listener listener.c -lzmq        (Debian: libzmq3-dev)
 *     ./listener [ENDPOINT [TOPIC]]
 */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

int main(int argc, char **argv)
{
    const char *endpoint = argc > 1 ? argv[1] : "tcp://127.0.0.1:5556";
    const char *prefix = argc > 2 ? argv[2] : "watcher.";
    void *context = zmq_ctx_new();
    void *events = zmq_socket(context, ZMQ_SUB);

    zmq_setsockopt(events, ZMQ_SUBSCRIBE, prefix, strlen(prefix));
    if (zmq_connect(events, endpoint) != 0) {
        fprintf(stderr, "%s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        return 1;
    }
    for (;;) { /* one event: two frames */
        zmq_msg_t frame;
        int more;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, events, 0) < 0)
            break;
        more = zmq_msg_more(&frame);
        fwrite(zmq_msg_data(&frame), 1, zmq_msg_size(&frame), stdout);
        fputs(more ? ": " : "\n", stdout);
        if (!more)
            fflush(stdout);
        zmq_msg_close(&frame);
    }
    zmq_close(events);
    zmq_ctx_term(context);
    return 0;
}
