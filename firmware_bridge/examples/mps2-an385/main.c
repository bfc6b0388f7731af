/* An emotion light with a pulse and skin sensor, both simulated, on an emulated Cortex-M3.
 *
 * The light, and the speed limit of a robot that slows down when arousal rises or is unknown, are
 * logged whenever they change. */
#include "board.h"
#include "edge_emo_bridge.h"

#define RATE_HZ 100U
#define PERIOD_US (1000000U / RATE_HZ)
#define CHUNK 10U
#define CHANNELS 2U
#define FULL_SPEED_MM_S 800
#define CAUTIOUS_MM_S 300
#define OLDEST_US 500000U
#define OLDEST_MS 2000U /* a state that came later than this is no longer true */
#define BEAT 84U

static ee_bridge bridge;
static int32_t counts[CHUNK * CHANNELS];
static uint32_t taken;
static uint32_t first_us;
static uint32_t state_us;
static int32_t shown[3] = {-1, -1, -1};
static int32_t light[3] = {0, 30, CAUTIOUS_MM_S};

/* A motor believes no number of the wire. */
static int32_t within(int32_t thousandths) {
    return thousandths < -1000 ? -1000 : thousandths > 1000 ? 1000 : thousandths;
}

/* Hue 0 ... 120 by valence, brightness 55 ... 255 by arousal, speed limit in mm/s by arousal. */
static void show(const edge_emo_Affect *affect) {
    int32_t valence = within(affect->valence);
    int32_t arousal = within(affect->arousal);
    int32_t calm = arousal < 0 ? 1000 : 1000 - arousal;
    light[0] = (valence + 1000) * 120 / 2000;
    light[1] = 55 + (arousal + 1000) * 200 / 2000;
    light[2] = CAUTIOUS_MM_S + (FULL_SPEED_MM_S - CAUTIOUS_MM_S) * calm / 1000;
    board_leds(valence > 0, arousal > 0);
}

static void show_unknown(void) {
    light[0] = 0;
    light[1] = 30;
    light[2] = CAUTIOUS_MM_S;
    board_leds(false, false);
}

static void on_state(void *context, const edge_emo_State *state) {
    const edge_emo_Affect *affect = state->has_expressed ? &state->expressed : &state->felt;
    (void)context;
    state_us = board_micros();
    if (state->age_ms <= OLDEST_MS && (state->has_expressed || state->has_felt) &&
        affect->has_valence && affect->has_arousal) {
        show(affect);
    } else {
        show_unknown();
    }
}

static edge_emo_ErrorCode on_config(void *context, const edge_emo_Config *config) {
    (void)context;
    return config->has_brightness && config->brightness > 1000U ? edge_emo_ErrorCode_BAD_VALUE
                                                                : edge_emo_ErrorCode_OK;
}

static void on_link(void *context, bool up) {
    (void)context;
    (void)up;
    shown[0] = -1;
    show_unknown();
}

static char *number(char *to, int32_t value) {
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        *to++ = digits[--count];
    }
    return to;
}

static char *word(char *to, const char *text) {
    while (*text != '\0') {
        *to++ = *text++;
    }
    return to;
}

static void log_light(void) {
    char line[64];
    char *end = line;
    uint32_t i;
    if (light[0] == shown[0] && light[1] == shown[1] && light[2] == shown[2]) {
        return;
    }
    end = number(word(end, "hue "), light[0]);
    end = number(word(end, " brightness "), light[1]);
    end = number(word(end, " speed "), light[2]);
    *end = '\0';
    if (ee_bridge_log(&bridge, edge_emo_LogLevel_INFO, line)) {
        for (i = 0; i < 3U; i++) {
            shown[i] = light[i];
        }
    }
}

/* A beat of 84 samples, 71 a minute: a rise, a fall and a second, smaller wave. */
static int32_t pulse(uint32_t sample) {
    int32_t at = (int32_t)(sample % BEAT);
    if (at < 12) {
        return 80 * at;
    }
    if (at < 36) {
        return 960 - 34 * (at - 12);
    }
    return at < 50 ? 144 + 10 * (at - 36) : 284 - 8 * (at - 50);
}

/* A triangle of 20 s around 4 microsiemens, in thousandths. */
static int32_t skin(uint32_t sample) {
    int32_t at = (int32_t)(sample % 2000U);
    return at < 1000 ? 3500 + at : 5500 - at;
}

static void measure(uint32_t now_us) {
    uint32_t in_chunk = taken % CHUNK;
    if (now_us - taken * PERIOD_US >= 0x80000000U) {
        return; /* the next sample is not due */
    }
    if (in_chunk == 0) {
        first_us = taken * PERIOD_US;
    }
    counts[in_chunk * CHANNELS] = pulse(taken);
    counts[in_chunk * CHANNELS + 1U] = skin(taken);
    taken++;
    if (taken % CHUNK == 0) {
        (void)ee_bridge_samples(&bridge, 0, taken - CHUNK, first_us, counts, CHUNK * CHANNELS);
    }
}

int main(void) {
    static const edge_emo_SensorStream streams[1] = {
        {.kind = edge_emo_SensorKind_SENSOR_BODY,
         .rate_mhz = RATE_HZ * 1000U,
         .channels_count = CHANNELS,
         .channels = {{.name = "bvp"}, {.name = "eda", .unit = "uS", .scale = 0.001F}}}};
    static const ee_transport transport = {board_read, board_write, NULL};
    static const ee_handlers handlers = {on_state, on_config, on_link, NULL};
    static const ee_identity identity = {"mps2-an385", "1.0.0", "QEMU0001", streams, 1};
    board_begin();
    ee_bridge_init(&bridge, &transport, &handlers, &identity);
    for (;;) {
        uint32_t now_us;
        ee_bridge_poll(&bridge, board_micros());
        now_us = board_micros(); /* not before the newest state came */
        measure(now_us);
        if (now_us - state_us > OLDEST_US) {
            show_unknown();
        }
        log_light();
        board_wait();
    }
}
