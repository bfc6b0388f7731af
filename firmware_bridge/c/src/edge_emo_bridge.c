#include "edge_emo_bridge.h"

#include <string.h>

#include "pb_decode.h"
#include "pb_encode.h"

#define POLL_BYTES 512U
#define STREAMS_MAX 32U
#define ANNOUNCE_NOTHING 0U
#define ANNOUNCE_DEVICE 1U
#define ANNOUNCE_STREAMS 2U

/* Copies a text; one that is too long is cut between two letters, or it were no UTF-8. */
static void copy_text(char *to, size_t capacity, const char *from) {
    size_t i = 0;
    while (i + 1U < capacity && from[i] != '\0') {
        to[i] = from[i];
        i++;
    }
    while (i > 0 && ((uint8_t)from[i] & 0xC0U) == 0x80U) {
        i--;
    }
    to[i] = '\0';
}

static void flush(ee_bridge *bridge) {
    size_t left = (size_t)(bridge->tx_length - bridge->tx_at);
    if (left > 0) {
        size_t moved =
            bridge->transport.write(bridge->transport.context, bridge->tx + bridge->tx_at, left);
        bridge->tx_at = (uint16_t)(bridge->tx_at + moved);
    }
    if (bridge->tx_at >= bridge->tx_length) {
        bridge->tx_at = 0;
        bridge->tx_length = 0;
    }
}

/* Sends bridge->message, which holds a body of the kind `which`. */
static bool send(ee_bridge *bridge, pb_size_t which) {
    pb_ostream_t stream = pb_ostream_from_buffer(bridge->tx + EE_PAYLOAD_AT, EE_PAYLOAD_MAX);
    bridge->message.which_body = which;
    if (!pb_encode(&stream, edge_emo_Message_fields, &bridge->message)) {
        bridge->counters.refused++;
        return false;
    }
    bridge->tx_length =
        (uint16_t)ee_frame_close(bridge->tx, bridge->tx_sequence++, stream.bytes_written);
    flush(bridge);
    return true;
}

/* Makes room for a message of the application; false when there is no host or no room. */
static bool begin(ee_bridge *bridge) {
    if (!bridge->up) {
        return false;
    }
    flush(bridge);
    if (bridge->tx_length > 0 || bridge->announce != ANNOUNCE_NOTHING) {
        bridge->counters.refused++;
        return false;
    }
    memset(&bridge->message, 0, sizeof bridge->message);
    return true;
}

static void acknowledge(ee_bridge *bridge, uint16_t sequence, edge_emo_ErrorCode code) {
    memset(&bridge->message, 0, sizeof bridge->message);
    bridge->message.body.ack.sequence = sequence;
    bridge->message.body.ack.code = code;
    (void)send(bridge, edge_emo_Message_ack_tag);
}

static void announce_device(ee_bridge *bridge) {
    edge_emo_DeviceHello *hello = &bridge->message.body.device_hello;
    memset(&bridge->message, 0, sizeof bridge->message);
    hello->protocol = EE_VERSION;
    copy_text(hello->board, sizeof hello->board, bridge->identity.board);
    copy_text(hello->firmware, sizeof hello->firmware, bridge->identity.firmware);
    copy_text(hello->serial, sizeof hello->serial, bridge->identity.serial);
    hello->session = bridge->session;
    hello->streams = bridge->identity.stream_count;
    if (bridge->handlers.state != NULL) {
        hello->capabilities |= edge_emo_Capability_CAPABILITY_STATES;
    }
    if (bridge->handlers.config != NULL || bridge->identity.stream_count > 0) {
        hello->capabilities |= edge_emo_Capability_CAPABILITY_CONFIG;
    }
    if (bridge->identity.stream_count > 0) {
        hello->capabilities |= edge_emo_Capability_CAPABILITY_SAMPLES;
    }
    (void)send(bridge, edge_emo_Message_device_hello_tag);
}

static void announce_stream(ee_bridge *bridge, uint8_t number) {
    memset(&bridge->message, 0, sizeof bridge->message);
    bridge->message.body.sensor_stream = bridge->identity.streams[number];
    bridge->message.body.sensor_stream.id = number;
    (void)send(bridge, edge_emo_Message_sensor_stream_tag);
}

/* Sends the next greeting that is due: the device, then each stream once a host is there. */
static void announce(ee_bridge *bridge) {
    uint8_t step = bridge->announce;
    uint8_t last = bridge->up ? (uint8_t)(ANNOUNCE_DEVICE + bridge->identity.stream_count)
                              : (uint8_t)ANNOUNCE_DEVICE;
    bridge->announce = step < last ? (uint8_t)(step + 1U) : (uint8_t)ANNOUNCE_NOTHING;
    if (step == ANNOUNCE_DEVICE) {
        announce_device(bridge);
    } else {
        announce_stream(bridge, (uint8_t)(step - ANNOUNCE_STREAMS));
    }
}

static void hang_up(ee_bridge *bridge) {
    bridge->up = false;
    bridge->session = 0;
    bridge->active_streams = 0;
    bridge->hello_us = bridge->now_us;
    if (bridge->handlers.link != NULL) {
        bridge->handlers.link(bridge->handlers.context, false);
    }
}

static void greet(ee_bridge *bridge, uint16_t sequence) {
    bool is_new = !bridge->up || bridge->session != bridge->message.body.host_hello.session;
    bridge->session = bridge->message.body.host_hello.session;
    bridge->rx_sequence = sequence;
    bridge->active_streams = 0;
    bridge->up = true;
    bridge->announce = ANNOUNCE_DEVICE;
    if (is_new && bridge->handlers.link != NULL) {
        bridge->handlers.link(bridge->handlers.context, true);
    }
}

static edge_emo_ErrorCode take_state(ee_bridge *bridge) {
    if (bridge->handlers.state == NULL) {
        return edge_emo_ErrorCode_UNSUPPORTED;
    }
    bridge->handlers.state(bridge->handlers.context, &bridge->message.body.state);
    return edge_emo_ErrorCode_OK;
}

static edge_emo_ErrorCode take_config(ee_bridge *bridge) {
    const edge_emo_Config *config = &bridge->message.body.config;
    edge_emo_ErrorCode code = edge_emo_ErrorCode_OK;
    bool handled = bridge->handlers.config != NULL;
    if (handled) {
        code = bridge->handlers.config(bridge->handlers.context, config);
    } else if (config->has_brightness || bridge->identity.stream_count == 0) {
        code = edge_emo_ErrorCode_UNSUPPORTED;
    }
    if ((code == edge_emo_ErrorCode_OK || !handled) && config->has_active_streams) {
        bridge->active_streams = config->active_streams;
    }
    return code;
}

static void answer_ping(ee_bridge *bridge) {
    uint32_t id = bridge->message.body.ping.id;
    memset(&bridge->message, 0, sizeof bridge->message);
    bridge->message.body.pong.id = id;
    bridge->message.body.pong.received_us = bridge->now_us;
    bridge->message.body.pong.sent_us = bridge->now_us;
    (void)send(bridge, edge_emo_Message_pong_tag);
}

/* Tells whether only devices send the message: then it is an echo, and no sign of a host. */
static bool is_echo(const ee_bridge *bridge) {
    switch (bridge->message.which_body) {
    case edge_emo_Message_device_hello_tag:
    case edge_emo_Message_sensor_stream_tag:
    case edge_emo_Message_pong_tag:
    case edge_emo_Message_ack_tag:
    case edge_emo_Message_samples_tag:
    case edge_emo_Message_log_tag:
    case edge_emo_Message_error_tag:
        return true;
    default:
        return false;
    }
}

/* Obeys a fresh message of the greeted host. */
static void obey(ee_bridge *bridge, uint16_t sequence) {
    switch (bridge->message.which_body) {
    case edge_emo_Message_ping_tag:
        answer_ping(bridge);
        break;
    case edge_emo_Message_state_tag:
        acknowledge(bridge, sequence, take_state(bridge));
        break;
    case edge_emo_Message_config_tag:
        acknowledge(bridge, sequence, take_config(bridge));
        break;
    case edge_emo_Message_goodbye_tag:
        hang_up(bridge);
        break;
    default: /* one that this device does not know */
        acknowledge(bridge, sequence, edge_emo_ErrorCode_UNSUPPORTED);
        break;
    }
}

/* Tells whether a frame is newer than all before, and counts those missing in between. */
static bool is_fresh(ee_bridge *bridge, uint16_t sequence) {
    uint16_t ahead = (uint16_t)(sequence - bridge->rx_sequence);
    if (ahead == 0 || ahead >= 0x8000U) {
        bridge->counters.duplicates++;
        return false;
    }
    bridge->counters.lost += ahead - 1U;
    bridge->rx_sequence = sequence;
    return true;
}

static void take_frame(ee_bridge *bridge, const ee_received *frame) {
    pb_istream_t stream = pb_istream_from_buffer(frame->payload, frame->length);
    bool readable = pb_decode(&stream, edge_emo_Message_fields, &bridge->message);
    bridge->counters.received++;
    if (!readable) {
        bridge->counters.bad++;
    }
    if (readable && bridge->message.which_body == edge_emo_Message_host_hello_tag) {
        bridge->heard_us = bridge->now_us;
        greet(bridge, frame->sequence);
        return;
    }
    if (!bridge->up || (readable && is_echo(bridge))) {
        return;
    }
    bridge->heard_us = bridge->now_us;
    if (!is_fresh(bridge, frame->sequence)) {
        return;
    }
    if (readable) {
        obey(bridge, frame->sequence);
    } else {
        acknowledge(bridge, frame->sequence, edge_emo_ErrorCode_BAD_VALUE);
    }
}

static void refuse_version(ee_bridge *bridge) {
    memset(&bridge->message, 0, sizeof bridge->message);
    bridge->message.body.error.code = edge_emo_ErrorCode_VERSION;
    copy_text(bridge->message.body.error.text, sizeof bridge->message.body.error.text,
              bridge->identity.board);
    (void)send(bridge, edge_emo_Message_error_tag);
}

static void take_byte(ee_bridge *bridge, uint8_t byte) {
    ee_received frame;
    switch (ee_receive(&bridge->receiver, byte, &frame)) {
    case EE_GOOD:
        take_frame(bridge, &frame);
        break;
    case EE_OTHER_VERSION:
        refuse_version(bridge);
        break;
    case EE_BAD:
        bridge->counters.bad++;
        break;
    case EE_NOTHING:
    default:
        break;
    }
}

static bool next_byte(ee_bridge *bridge, uint8_t *byte) {
    if (bridge->in_at >= bridge->in_length) {
        bridge->in_at = 0;
        bridge->in_length = (uint8_t)bridge->transport.read(bridge->transport.context, bridge->in,
                                                            sizeof bridge->in);
    }
    if (bridge->in_length == 0) {
        return false;
    }
    *byte = bridge->in[bridge->in_at++];
    return true;
}

static void check_host(ee_bridge *bridge) {
    if (bridge->up && bridge->now_us - bridge->heard_us > EE_HOST_TIMEOUT_US) {
        hang_up(bridge);
    }
    if (!bridge->up && bridge->now_us >= bridge->hello_us) {
        bridge->announce = ANNOUNCE_DEVICE;
        bridge->hello_us = bridge->now_us + EE_HELLO_PERIOD_US;
    }
}

void ee_bridge_init(ee_bridge *bridge, const ee_transport *transport, const ee_handlers *handlers,
                    const ee_identity *identity) {
    memset(bridge, 0, sizeof *bridge);
    bridge->transport = *transport;
    bridge->handlers = *handlers;
    bridge->identity = *identity;
}

void ee_bridge_poll(ee_bridge *bridge, uint32_t now_us) {
    size_t budget;
    uint8_t byte;
    bridge->now_us += (uint32_t)(now_us - (uint32_t)bridge->now_us);
    check_host(bridge);
    for (budget = POLL_BYTES; budget > 0; budget--) {
        flush(bridge);
        if (bridge->tx_length > 0) {
            return; /* nothing is read that could not be answered */
        }
        if (bridge->announce != ANNOUNCE_NOTHING) {
            announce(bridge);
        } else if (next_byte(bridge, &byte)) {
            take_byte(bridge, byte);
        } else {
            return;
        }
    }
}

bool ee_bridge_wants(const ee_bridge *bridge, uint8_t stream) {
    return bridge->up && stream < STREAMS_MAX && (bridge->active_streams >> stream & 1U) != 0;
}

bool ee_bridge_samples(ee_bridge *bridge, uint8_t stream, uint32_t first, uint32_t t_us,
                       const int32_t *counts, size_t length) {
    edge_emo_Samples *samples = &bridge->message.body.samples;
    if (!ee_bridge_wants(bridge, stream) || length > EE_SAMPLES_MAX || !begin(bridge)) {
        return false;
    }
    samples->stream = stream;
    samples->first = first;
    samples->t_us = bridge->now_us + (uint64_t)(int64_t)(int32_t)(t_us - (uint32_t)bridge->now_us);
    samples->counts_count = (pb_size_t)length;
    memcpy(samples->counts, counts, length * sizeof *counts);
    return send(bridge, edge_emo_Message_samples_tag);
}

bool ee_bridge_log(ee_bridge *bridge, edge_emo_LogLevel level, const char *text) {
    edge_emo_Log *log = &bridge->message.body.log;
    if (!begin(bridge)) {
        return false;
    }
    log->level = level;
    copy_text(log->text, sizeof log->text, text);
    return send(bridge, edge_emo_Message_log_tag);
}

bool ee_bridge_error(ee_bridge *bridge, edge_emo_ErrorCode code, const char *text) {
    edge_emo_Error *error = &bridge->message.body.error;
    if (!begin(bridge)) {
        return false;
    }
    error->code = code;
    copy_text(error->text, sizeof error->text, text);
    return send(bridge, edge_emo_Message_error_tag);
}
