#pragma once

// Where a conversation by datagrams stands. UDP (CT-12, CT-13, CT-20):
//
//                 reply             original            reply
//      Single ------------> Replied ---------> Asked ------------> Stream
//       30 s                 30 s               30 s                180 s
//
// Asked is Replied with the bit kAskedAgain. ICMP and other protocols stay Single; a reply only
// leaves its mark.

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

enum class DatagramStep : std::uint8_t { Single, Replied, Asked, Stream };
enum class DatagramSide : std::uint8_t { Original, Reply };

constexpr DatagramStep udp_step(DatagramStep step, DatagramSide side) {
  using enum DatagramStep;
  constexpr std::array<std::array<DatagramStep, 2>, 4> kNext = {{
      {Single, Replied},  // Single
      {Asked, Replied},   // Replied
      {Asked, Stream},    // Asked
      {Stream, Stream},   // Stream
  }};
  return kNext[static_cast<std::size_t>(step)][static_cast<std::size_t>(side)];
}

}  // namespace sluice
