/* The C library behind calls that cffi can make: bytes in, bytes and lines of text out. */
#include <stdio.h>
#include <stdlib.h>

#include "edge_emo_bridge.h"

#define BYTES 65536U

typedef struct {
    ee_bridge bridge;
    uint8_t in[BYTES], out[BYTES];
    size_t in_at, in_length, out_length, room;
    char lines[BYTES];
    size_t lines_length;
    int config_code;
    edge_emo_SensorStream streams[2];
    char board[64];
} shim;

static size_t read_bytes(void *context, uint8_t *data, size_t capacity) {
    shim *s = context;
    size_t count = 0;
    while (count < capacity && s->in_at < s->in_length) {
        data[count++] = s->in[s->in_at++];
    }
    return count;
}

static size_t write_bytes(void *context, const uint8_t *data, size_t length) {
    shim *s = context;
    size_t count = 0;
    while (count < length && s->room > 0 && s->out_length < BYTES) {
        s->out[s->out_length++] = data[count++];
        s->room--;
    }
    return count;
}

static void line(shim *s, const char *text) {
    s->lines_length +=
        (size_t)snprintf(s->lines + s->lines_length, BYTES - s->lines_length, "%s\n", text);
}

static int put_affect(char *to, size_t room, const char *name, const edge_emo_Affect *a) {
    int n = snprintf(to, room, " %s=%s confidence=%u intensity=%u age=%u", name, a->label,
                     (unsigned)a->confidence, (unsigned)a->intensity, (unsigned)a->age_ms);
    if (a->has_categories) {
        n += snprintf(to + n, room - (size_t)n, " categories=%u,%u,%u,%u,%u,%u,%u",
                      (unsigned)a->categories.anger, (unsigned)a->categories.disgust,
                      (unsigned)a->categories.fear, (unsigned)a->categories.happiness,
                      (unsigned)a->categories.neutral, (unsigned)a->categories.sadness,
                      (unsigned)a->categories.surprise);
    }
    if (a->has_valence) {
        n += snprintf(to + n, room - (size_t)n, " valence=%d", (int)a->valence);
    }
    if (a->has_arousal) {
        n += snprintf(to + n, room - (size_t)n, " arousal=%d", (int)a->arousal);
    }
    if (a->has_dominance) {
        n += snprintf(to + n, room - (size_t)n, " dominance=%d", (int)a->dominance);
    }
    return n;
}

static void on_state(void *context, const edge_emo_State *state) {
    char text[512];
    int n = snprintf(text, sizeof text, "state number=%u age=%u", (unsigned)state->number,
                     (unsigned)state->age_ms);
    if (state->has_expressed) {
        n += put_affect(text + n, sizeof text - (size_t)n, "expressed", &state->expressed);
    }
    if (state->has_felt) {
        n += put_affect(text + n, sizeof text - (size_t)n, "felt", &state->felt);
    }
    if (state->has_divergence) {
        n += snprintf(text + n, sizeof text - (size_t)n, " divergence=%u",
                      (unsigned)state->divergence);
    }
    snprintf(text + n, sizeof text - (size_t)n, " health=%d,%d,%d,%d,%d", (int)state->health.camera,
             (int)state->health.microphone, (int)state->health.eeg, (int)state->health.physio,
             (int)state->health.text);
    line(context, text);
}

static edge_emo_ErrorCode on_config(void *context, const edge_emo_Config *config) {
    shim *s = context;
    char text[80];
    snprintf(text, sizeof text, "config brightness=%d streams=%d",
             config->has_brightness ? (int)config->brightness : -1,
             config->has_active_streams ? (int)config->active_streams : -1);
    line(s, text);
    return (edge_emo_ErrorCode)s->config_code;
}

static void on_link(void *context, bool up) { line(context, up ? "up" : "down"); }

shim *shim_new(const char *board, int streams, int handlers, int broken_stream) {
    shim *s = calloc(1, sizeof *s);
    ee_transport transport = {read_bytes, write_bytes, NULL};
    ee_handlers given = {NULL, NULL, NULL, NULL};
    ee_identity identity = {NULL, "2.1", "S1", NULL, 0};
    static const edge_emo_SensorStream first = {
        .kind = edge_emo_SensorKind_SENSOR_PULSE,
        .rate_mhz = 100000,
        .channels_count = 2,
        .channels = {{.name = "bvp", .unit = "", .scale = 1.0F}, {.name = "eda", .unit = "uS"}}};
    transport.context = given.context = s;
    if (handlers) {
        given.state = on_state;
        given.config = on_config;
        given.link = on_link;
    }
    snprintf(s->board, sizeof s->board, "%s", board);
    s->streams[0] = s->streams[1] = first;
    if (broken_stream) {
        s->streams[1].channels_count = 9; /* more than there is room for: cannot be encoded */
    }
    identity.board = s->board;
    identity.streams = s->streams;
    identity.stream_count = (uint8_t)streams;
    s->room = (size_t)-1; /* until shim_room says otherwise */
    ee_bridge_init(&s->bridge, &transport, &given, &identity);
    return s;
}

void shim_free(shim *s) { free(s); }
void shim_room(shim *s, size_t bytes) { s->room = bytes; }
void shim_config_code(shim *s, int code) { s->config_code = code; }
void shim_poll(shim *s, uint32_t now_us) { ee_bridge_poll(&s->bridge, now_us); }
size_t shim_bytes(void) { return sizeof(ee_bridge); }

void shim_feed(shim *s, const uint8_t *data, size_t length) {
    size_t i;
    for (i = 0; i < s->in_length - s->in_at; i++) {
        s->in[i] = s->in[s->in_at + i];
    }
    s->in_length -= s->in_at;
    s->in_at = 0;
    for (i = 0; i < length && s->in_length < BYTES; i++) {
        s->in[s->in_length++] = data[i];
    }
}

size_t shim_unread(shim *s) { return s->in_length - s->in_at; }

size_t shim_take(shim *s, uint8_t *out) {
    size_t i, length = s->out_length;
    for (i = 0; i < length; i++) {
        out[i] = s->out[i];
    }
    s->out_length = 0;
    return length;
}

size_t shim_lines(shim *s, char *out) {
    size_t i, length = s->lines_length;
    for (i = 0; i < length; i++) {
        out[i] = s->lines[i];
    }
    s->lines_length = 0;
    return length;
}

uint32_t shim_counter(shim *s, int which) {
    const ee_counters *c = &s->bridge.counters;
    const uint32_t all[5] = {c->received, c->bad, c->lost, c->duplicates, c->refused};
    return all[which];
}

int shim_wants(shim *s, int stream) { return ee_bridge_wants(&s->bridge, (uint8_t)stream); }
int shim_samples(shim *s, int stream, uint32_t first, uint32_t t_us, const int32_t *counts,
                 size_t length) {
    return ee_bridge_samples(&s->bridge, (uint8_t)stream, first, t_us, counts, length);
}
int shim_log(shim *s, int level, const char *text) {
    return ee_bridge_log(&s->bridge, (edge_emo_LogLevel)level, text);
}
int shim_error(shim *s, int code, const char *text) {
    return ee_bridge_error(&s->bridge, (edge_emo_ErrorCode)code, text);
}
uint32_t shim_crc(const uint8_t *data, size_t length) { return ee_crc32(data, length); }

/* One line for each outcome: good with number and payload, bad, or version. */
size_t shim_parse(const uint8_t *data, size_t length, char *out, size_t room) {
    ee_receiver receiver = {{0}, 0, false};
    ee_received got;
    size_t i, k, n = 0;
    for (i = 0; i < length && n + 600U < room; i++) {
        switch (ee_receive(&receiver, data[i], &got)) {
        case EE_GOOD:
            n += (size_t)snprintf(out + n, room - n, "good %u ", (unsigned)got.sequence);
            for (k = 0; k < got.length; k++) {
                n += (size_t)snprintf(out + n, room - n, "%02x", got.payload[k]);
            }
            n += (size_t)snprintf(out + n, room - n, "\n");
            break;
        case EE_BAD:
            n += (size_t)snprintf(out + n, room - n, "bad\n");
            break;
        case EE_OTHER_VERSION:
            n += (size_t)snprintf(out + n, room - n, "version\n");
            break;
        default:
            break;
        }
    }
    return n;
}
