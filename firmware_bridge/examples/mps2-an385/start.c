/* Vectors and the way to main. */
#include <stdint.h>

extern uint32_t stack_top, data_load, data_begin, data_end, bss_begin, bss_end;
int main(void);
void uart_received(void);
void tick(void);
void reset(void);

static void halt(void) {
    for (;;) {
    }
}

void reset(void) {
    uint32_t *from = &data_load;
    uint32_t *to;
    for (to = &data_begin; to < &data_end; to++) {
        *to = *from++;
    }
    for (to = &bss_begin; to < &bss_end; to++) {
        *to = 0;
    }
    (void)main();
    halt();
}

typedef union {
    void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[17] = {
    {.stack = &stack_top},
    {.handler = reset},
    {.handler = halt},
    {.handler = halt},
    {.handler = halt},
    {.handler = halt},
    {.handler = halt},
    {0},
    {0},
    {0},
    {0},
    {.handler = halt},
    {.handler = halt},
    {0},
    {.handler = halt},
    {.handler = tick},
    {.handler = uart_received}};
