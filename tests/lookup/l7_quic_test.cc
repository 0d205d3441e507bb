// The hello inside of QUIC Initial packets: RFC 9001 Appendix A.2, and packets of our own making.

#include "lookup/l7_quic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"
#include "tests/lookup/quic_sealer.h"

namespace sluice {
namespace {

// The CRYPTO frame of RFC 9001 A.2: a hello for example.com.
constexpr std::string_view kRfcFrame =
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c"
    "00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d"
    "0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4"
    "559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305030603020308"
    "0408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08"
    "01100104800075300901100f088394c8f03e51570806048000ffff";

class Quic : public ::testing::Test {
 protected:
  L7Crypto& crypto() { return l7_.scratch().crypto(); }
  NameAnswer add(const ByteList& datagram) { return hello_.add(datagram, l7_.scratch()); }
  NameAnswer add_frames(const ByteList& frames) {
    return add(InitialPacket().seal(frames, crypto()));
  }

  L7Fixture l7_;
  std::vector<std::uint8_t> storage_ = std::vector<std::uint8_t>(kL7HelloBytes);
  QuicHello hello_{storage_};
};

ByteList concat(std::initializer_list<ByteList> parts) {
  ByteList all;
  for (const ByteList& part : parts) put(all, part);
  return all;
}

ByteList small_hello() {
  return HelloBuilder().server_name("a.example").numbers(43, {0x0304}).handshake();
}

TEST_F(Quic, OpensThePacketOfRfc9001) {
  const ByteList packet = InitialPacket().seal(from_hex(kRfcFrame), crypto());
  ASSERT_EQ(packet.size(), 1200u);
  // What the RFC prints: the protected header and the beginning and end of the sealed frames.
  EXPECT_EQ(ByteList(packet.begin(), packet.begin() + 38),
            from_hex("c000000001088394c8f03e5157080000449e7b9aec34"
                     "d1b1c98dd7689fb8ec11d242b123dc9b"));
  EXPECT_EQ(ByteList(packet.end() - 16, packet.end()),
            from_hex("e221af44860018ab0856972e194cd934"));
  const NameAnswer answer = add(packet);
  EXPECT_EQ(answer.state, NameState::Name);
  EXPECT_EQ(answer.name.text(), "example.com");
  EXPECT_EQ(answer.ja4.text().substr(0, 4), "q13d");
}

TEST_F(Quic, KeepsItsAnswerWhateverComesLater) {
  const ByteList packet = InitialPacket().seal(crypto_frame(0, small_hello()), crypto());
  EXPECT_EQ(add(packet).name.text(), "a.example");
  for (const ByteList& later : {packet, ByteList{}, ByteList{0xc0, 1, 2}}) {
    const NameAnswer answer = add(later);
    EXPECT_EQ(answer.state, NameState::Name);
    EXPECT_EQ(answer.name.text(), "a.example");
  }
}

TEST_F(Quic, OpensVersion2) {
  InitialPacket packet;
  packet.version = 0x6b3343cf;
  packet.token = {1, 2, 3};
  EXPECT_EQ(add(packet.seal(crypto_frame(0, small_hello()), crypto())).name.text(), "a.example");
}

TEST_F(Quic, PutsFramesInOrderWhateverTheyCome) {
  const ByteList message = small_hello();
  const auto bytes = std::span<const std::uint8_t>(message);
  // Every byte in a frame of its own, the last one first, some twice, between other frames.
  for (const std::size_t step : {1u, 2u, 7u}) {
    QuicHello hello(storage_);
    std::vector<ByteList> frames;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      frames.push_back(crypto_frame(at, bytes.subspan(at, std::min(step, bytes.size() - at))));
    }
    ByteList all{1, 2, 0x40, 7, 0, 0, 0};  // a ping and an acknowledgement
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) put(all, *frame);
    put(all, frames[1]);
    const NameAnswer answer = hello.add(InitialPacket().seal(all, crypto()), l7_.scratch());
    EXPECT_EQ(answer.name.text(), "a.example") << step;
  }
}

TEST_F(Quic, JoinsAHelloOfSeveralDatagramsInAnyOrder) {
  HelloBuilder builder;
  builder.extension(51, ByteList(2'500, 7)).server_name("late.example");
  const ByteList message = builder.handshake();
  const auto bytes = std::span<const std::uint8_t>(message);
  EXPECT_EQ(add_frames(crypto_frame(2'000, bytes.subspan(2'000))).state, NameState::NeedMore);
  EXPECT_EQ(add_frames(crypto_frame(0, bytes.first(1'100))).state, NameState::NeedMore);
  // The server's id from its answer on; the keys stay.
  InitialPacket packet;
  packet.connection_id = {9, 9, 9};
  const ByteList datagram = packet.seal(crypto_frame(1'000, bytes.subspan(1'000, 1'000)), crypto());
  EXPECT_EQ(add(datagram).name.text(), "late.example");
}

TEST_F(Quic, FollowsARetry) {
  const ByteList message = small_hello();
  const auto bytes = std::span<const std::uint8_t>(message);
  EXPECT_EQ(add_frames(crypto_frame(0, bytes.first(50))).state, NameState::NeedMore);
  InitialPacket packet;
  packet.connection_id = packet.sealed_for = {9, 9, 9};
  packet.token = {1};
  EXPECT_EQ(add(packet.seal(crypto_frame(0, bytes), crypto())).name.text(), "a.example");
}

TEST_F(Quic, LooksAtPacketsCoalescedBehindTheFirst) {
  const ByteList message = small_hello();
  const auto bytes = std::span<const std::uint8_t>(message);
  InitialPacket packet;
  packet.padded_to = 100;
  ByteList datagram = packet.seal(crypto_frame(50, bytes.subspan(50)), crypto());
  put(datagram, packet.seal(crypto_frame(0, bytes.first(50)), crypto()));
  EXPECT_EQ(add(datagram).name.text(), "a.example");
}

TEST_F(Quic, RefusesBytesThatDiffer) {
  const ByteList message = small_hello();
  const auto bytes = std::span<const std::uint8_t>(message);
  ByteList other(message.begin(), message.begin() + 60);
  other[20] ^= 1;
  EXPECT_EQ(add_frames(crypto_frame(0, bytes.first(40))).state, NameState::NeedMore);
  EXPECT_EQ(add_frames(crypto_frame(0, other)).state, NameState::Malformed);
  EXPECT_EQ(add_frames(crypto_frame(0, bytes)).state, NameState::Malformed);  // it stays
}

TEST_F(Quic, RefusesMoreThanItsStorageAndMoreGapsThanItsList) {
  const ByteList piece{1};
  EXPECT_EQ(add_frames(crypto_frame(kL7HelloBytes - 1, piece)).state, NameState::NeedMore);
  EXPECT_EQ(
      QuicHello(storage_)
          .add(InitialPacket().seal(concat({{6, 0x80, 0, 0x40, 0, 1, 1}}), crypto()), l7_.scratch())
          .state,
      NameState::Malformed);
  ByteList gaps;
  for (std::size_t i = 0; i < QuicHello::kRangesMax; ++i)
    put(gaps, crypto_frame(10 + 2 * i, piece));
  EXPECT_EQ(QuicHello(storage_).add(InitialPacket().seal(gaps, crypto()), l7_.scratch()).state,
            NameState::NeedMore);
  put(gaps, crypto_frame(100, piece));
  EXPECT_EQ(QuicHello(storage_).add(InitialPacket().seal(gaps, crypto()), l7_.scratch()).state,
            NameState::Malformed);
}

TEST_F(Quic, RefusesFramesThatNoInitialHas) {
  for (const ByteList& frames :
       {ByteList{8, 0, 0}, ByteList{6, 0, 0x7f, 0xff},
        ByteList{2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}) {
    QuicHello hello(storage_);
    InitialPacket packet;
    packet.padded_to = 0;
    ByteList padded(20, 1);
    put(padded, frames);
    EXPECT_EQ(hello.add(packet.seal(padded, crypto()), l7_.scratch()).state, NameState::Malformed);
  }
}

TEST_F(Quic, RefusesEveryChangedByteOfAPacket) {
  InitialPacket packet;
  packet.padded_to = 0;
  const ByteList good = packet.seal(crypto_frame(0, small_hello()), crypto());
  for (std::size_t at = 0; at < good.size(); ++at) {
    ByteList changed = good;
    changed[at] ^= 0x10;
    QuicHello hello(storage_);
    ASSERT_NE(hello.add(changed, l7_.scratch()).state, NameState::Name) << at;
    ByteList cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
    ASSERT_NE(QuicHello(storage_).add(cut, l7_.scratch()).state, NameState::Name) << at;
  }
  EXPECT_EQ(add(good).name.text(), "a.example");
}

TEST_F(Quic, OpensNoMorePacketsThanItMay) {
  const ByteList message = small_hello();
  const auto bytes = std::span<const std::uint8_t>(message);
  InitialPacket packet;
  packet.padded_to = 100;
  ByteList datagram;
  for (std::size_t at = 0; at < 40; at += 10) {
    put(datagram, packet.seal(crypto_frame(at, bytes.subspan(at, 10)), crypto()));
  }
  const ByteList last = packet.seal(crypto_frame(40, bytes.subspan(40)), crypto());
  for (std::uint32_t most = 0; most <= 5; ++most) {
    QuicHello hello(storage_, most);
    hello.add(datagram, l7_.scratch());
    const NameAnswer answer = hello.add(last, l7_.scratch());
    EXPECT_EQ(hello.openings(), most);
    EXPECT_EQ(hello.is_spent(), most < 5);
    EXPECT_EQ(answer.state, most < 5 ? NameState::NeedMore : NameState::Name) << most;
  }
}

TEST_F(Quic, CountsTheKeysBehindARetryAsAnOpeningOfTheirOwn) {
  const ByteList message = small_hello();
  const auto bytes = std::span<const std::uint8_t>(message);
  const ByteList before = InitialPacket().seal(crypto_frame(0, bytes.first(50)), crypto());
  InitialPacket packet;
  packet.connection_id = packet.sealed_for = {9, 9, 9};
  const ByteList behind = packet.seal(crypto_frame(0, bytes), crypto());
  for (const std::uint32_t most : {2u, 3u}) {
    QuicHello hello(storage_, most);
    hello.add(before, l7_.scratch());
    EXPECT_EQ(hello.add(behind, l7_.scratch()).state,
              most == 3 ? NameState::Name : NameState::NeedMore);
    EXPECT_EQ(hello.openings(), most);
  }
}

TEST_F(Quic, SaysNothingOfADatagramThatItMayNotOpenToItsEnd) {
  InitialPacket packet;
  packet.padded_to = 100;
  ByteList datagram = packet.seal(crypto_frame(0, small_hello()), crypto());
  ByteList broken = packet.seal(crypto_frame(0, small_hello()), crypto());
  broken.back() ^= 1;
  put(datagram, broken);
  QuicHello hello(storage_, 1);
  EXPECT_EQ(hello.add(datagram, l7_.scratch()).state, NameState::NeedMore);
  EXPECT_EQ(add(datagram).state, NameState::Malformed);
}

TEST_F(Quic, KnowsNoNameOfOtherVersions) {
  EXPECT_EQ(add(from_hex("c3ff00001d0801020304050607080000")).state, NameState::None);
}

}  // namespace
}  // namespace sluice
