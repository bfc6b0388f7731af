/* Stand-in for the I2C library, for compiling only. */
#pragma once
#include <stddef.h>
#include <stdint.h>

class TwoWire {
  public:
    void begin();
    void beginTransmission(uint8_t address);
    size_t write(uint8_t byte);
    uint8_t endTransmission(bool stop = true);
    uint8_t requestFrom(uint8_t address, uint8_t length);
    int read();
};
extern TwoWire Wire;
