/* edge_emo on a microcontroller: reads the emotion state and feeds sensors. PROTOCOL.md.
 *
 * No heap, no globals, no interrupts: the caller owns one ee_bridge and calls ee_bridge_poll often,
 * at least every 10 ms and before the port's own buffer is full: 64 bytes, as an Arduino Mega has,
 * are after 5.5 ms at 115,200 baud. Everything runs inside that call. Not to be called from two
 * threads or from an interrupt at once. */
#ifndef EDGE_EMO_BRIDGE_H
#define EDGE_EMO_BRIDGE_H

#include "edge_emo.pb.h"
#include "edge_emo_frame.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EE_SAMPLES_MAX 40U          /* counts in one call of ee_bridge_samples */
#define EE_HOST_TIMEOUT_US 3000000U /* a host that is silent for so long is gone */
#define EE_HELLO_PERIOD_US 1000000U /* between greetings while there is no host */

/* Both return at once with the number of bytes that they moved, 0 to the length given. */
typedef struct {
    size_t (*read)(void *context, uint8_t *data, size_t capacity);
    size_t (*write)(void *context, const uint8_t *data, size_t length);
    void *context;
} ee_transport;

/* Called from ee_bridge_poll; each may be NULL. What they are given is valid during the call. They
 * must not call the bridge. Without `config` the host still switches streams on and off. */
typedef struct {
    void (*state)(void *context, const edge_emo_State *state);
    edge_emo_ErrorCode (*config)(void *context, const edge_emo_Config *config);
    void (*link)(void *context, bool up); /* a host came, or another one, or it is gone */
    void *context;
} ee_handlers;

/* Texts that are too long are cut. `streams` and the texts live as long as the bridge. */
typedef struct {
    const char *board;
    const char *firmware;
    const char *serial; /* may be empty */
    const edge_emo_SensorStream *streams;
    uint8_t stream_count; /* at most 32 */
} ee_identity;

typedef struct {
    uint32_t received;   /* good frames */
    uint32_t bad;        /* runs of bytes that were no frame, or no message */
    uint32_t lost;       /* frames that the sequence numbers say are missing */
    uint32_t duplicates; /* frames that came again, and were not obeyed twice */
    uint32_t refused;    /* messages that found no room to be sent */
} ee_counters;

typedef struct {
    ee_transport transport;
    ee_handlers handlers;
    ee_identity identity;
    ee_counters counters;
    uint64_t now_us;
    uint64_t heard_us;
    uint64_t hello_us;
    uint32_t session;
    uint32_t active_streams;
    uint16_t rx_sequence;
    uint16_t tx_sequence;
    uint8_t announce;
    bool up;
    uint8_t in_at;
    uint8_t in_length;
    uint8_t in[32];
    ee_receiver receiver;
    uint16_t tx_at;
    uint16_t tx_length;
    uint8_t tx[EE_FRAME_MAX];
    edge_emo_Message message;
} ee_bridge;

/* Prepares a bridge; copies the three structures, not what they point to. */
void ee_bridge_init(ee_bridge *bridge, const ee_transport *transport, const ee_handlers *handlers,
                    const ee_identity *identity);

/* Receives, answers and calls the handlers. `now_us` is a free-running clock that may wrap. Takes
 * at most 512 bytes, so that a host that floods does not hold the caller up. */
void ee_bridge_poll(ee_bridge *bridge, uint32_t now_us);

/* Tells whether a host wants the samples of a stream. */
bool ee_bridge_wants(const ee_bridge *bridge, uint8_t stream);

/* Sends consecutive samples: `counts` holds them sample by sample, channel by channel.
 *
 * first: number of the first sample since the device started, also of those that were not sent.
 * t_us:  when it was taken, on the clock that ee_bridge_poll is given; within 35 minutes of it.
 * Returns false when nobody wants them, when there are too many, or when the previous message is
 * still being sent. */
bool ee_bridge_samples(ee_bridge *bridge, uint8_t stream, uint32_t first, uint32_t t_us,
                       const int32_t *counts, size_t length);

/* Send a line of text, or an error, to whoever reads the host's log. False as above. */
bool ee_bridge_log(ee_bridge *bridge, edge_emo_LogLevel level, const char *text);
bool ee_bridge_error(ee_bridge *bridge, edge_emo_ErrorCode code, const char *text);

#ifdef __cplusplus
}
#endif
#endif
