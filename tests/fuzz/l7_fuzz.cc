// First bytes of hostile connections: every parser of names, the shape tests, and QUIC, whose
// packets are sealed here so that the fuzzer reaches the frames behind the cipher.
//
// The first byte chooses what the rest is. What is checked besides not crashing: a name that is
// found is a host name, a name stays when more bytes come, and two runs agree.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/check.h"
#include "lookup/l7_dns.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_names.h"
#include "lookup/l7_quic.h"
#include "lookup/l7_shapes.h"
#include "tests/lookup/quic_sealer.h"

namespace sluice {
namespace {

using Bytes = std::span<const std::uint8_t>;

// No patterns: what they would nominate is nominated here, all of it.
L7Scratch& scratch() {
  static const std::shared_ptr<const L7Patterns> kPatterns = L7Patterns::load({}, {}).value();
  static const std::unique_ptr<L7Scratch> kScratch =
      std::move(L7Scratch::create(*kPatterns).value());
  return *kScratch;
}

void check_name(const NameAnswer& answer) {
  CHECK((answer.state == NameState::Name) != answer.name.is_empty());
  if (answer.state != NameState::Name) return;
  CHECK(HostName::from(answer.name.text()).text() == answer.name.text());
}

bool is_same(const NameAnswer& a, const NameAnswer& b) {
  return a.state == b.state && a.name.text() == b.name.text() && a.ja4.text() == b.ja4.text();
}

void fuzz_stream_name(App app, Bytes bytes) {
  const NameAnswer whole = find_name(app, L7Transport::Tcp, bytes, scratch());
  check_name(whole);
  CHECK(is_same(whole, find_name(app, L7Transport::Tcp, bytes, scratch())));
  // What a part of the stream says for good, more of it does not change.
  for (const std::size_t size : {bytes.size() / 4, bytes.size() / 2, bytes.size() - 1}) {
    if (size >= bytes.size()) continue;
    const NameAnswer part = find_name(app, L7Transport::Tcp, bytes.first(size), scratch());
    check_name(part);
    if (part.state == NameState::Name) CHECK(is_same(part, whole));
    if (whole.state == NameState::NeedMore) CHECK(part.state == NameState::NeedMore);
  }
}

void fuzz_shapes(L7Transport transport, L7Side side, Bytes bytes) {
  if (bytes.size() < 4) return;  // no pattern matches less
  for (std::size_t app = 1; app < kApps; ++app) {
    const L7Fit fit =
        shape_of(static_cast<App>(app), {transport, side, bytes, true, AppSet::all()});
    CHECK(transport == L7Transport::Tcp || fit != L7Fit::NeedMore);
  }
}

// Pieces of frames, each behind its size, in packets of their own.
void fuzz_quic_frames(Bytes bytes) {
  static std::array<std::uint8_t, kL7HelloBytes> storage;
  QuicHello hello(storage);
  for (int packets = 0; packets < 8 && !bytes.empty(); ++packets) {
    const std::size_t size = std::min<std::size_t>(bytes[0] * 5u, bytes.size() - 1);
    InitialPacket packet;
    packet.padded_to = 32;
    const Bytes frames = bytes.subspan(1, size);
    bytes = bytes.subspan(1 + size);
    check_name(
        hello.add(packet.seal({frames.begin(), frames.end()}, scratch().crypto()), scratch()));
  }
}

void fuzz_quic_datagram(Bytes bytes) {
  static std::array<std::uint8_t, 600> storage;
  QuicHello hello(storage);
  check_name(hello.add(bytes.first(bytes.size() / 2), scratch()));
  check_name(hello.add(bytes.subspan(bytes.size() / 2), scratch()));
}

void fuzz_identify(L7Transport transport, L7Side side, Bytes bytes) {
  static const std::shared_ptr<const L7Patterns> kPatterns = L7Patterns::load({}, {}).value();
  const L7Answer answer =
      identify(*kPatterns, scratch(), {transport, side, bytes, true, AppSet::all()});
  CHECK(answer.app == App::Unknown || answer.is_final);
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size == 0) return 0;
  const Bytes bytes(data + 1, size - 1);
  const auto side = static_cast<L7Side>(data[0] >> 6 & 1);
  switch (data[0] & 7) {
    case 0:
      fuzz_stream_name(App::Tls, bytes);
      break;
    case 1:
      fuzz_stream_name(App::Http, bytes);
      break;
    case 2:
      fuzz_stream_name(App::Dns, bytes);
      check_name(find_name(App::Dns, L7Transport::Udp, bytes, scratch()));
      break;
    case 3:
      fuzz_quic_frames(bytes);
      break;
    case 4:
      fuzz_quic_datagram(bytes);
      break;
    case 5:
      fuzz_shapes(L7Transport::Tcp, side, bytes);
      break;
    case 6:
      fuzz_shapes(L7Transport::Udp, side, bytes);
      break;
    default:
      fuzz_identify(data[0] >> 7 != 0 ? L7Transport::Udp : L7Transport::Tcp, side, bytes);
  }
  return 0;
}
