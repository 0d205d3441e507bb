// On the packet path nobody takes memory: not we, not libcrypto, not Hyperscan.

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <new>
#include <string>

#include "lookup/l7_quic.h"
#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"
#include "tests/lookup/quic_sealer.h"

namespace {

std::size_t g_taken = 0;

void* crypto_malloc(std::size_t size, const char*, int) {
  ++g_taken;
  return std::malloc(size);
}
void* crypto_realloc(void* memory, std::size_t size, const char*, int) {
  ++g_taken;
  return std::realloc(memory, size);
}
void crypto_free(void* memory, const char*, int) { std::free(memory); }

const bool g_is_lent = CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;

}  // namespace

// Not inline: GCC would take free() for the wrong end of new. Both forms of new are replaced, as
// Hyperscan uses both and a sanitizer has its own of whichever is left out.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++g_taken;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* memory = operator new(size, std::nothrow);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace sluice {
namespace {

TEST(L7Memory, IsTakenByNoQuestion) {
  ASSERT_TRUE(g_is_lent);
  L7Fixture l7({{"s", "needle", "", true}});
  L7Scratch& scratch = l7.scratch();
  const HelloBuilder hello = HelloBuilder().server_name("a.example").numbers(43, {0x0304});
  const ByteList stream = hello.stream(50);
  const ByteList datagram =
      InitialPacket().seal(crypto_frame(0, hello.handshake()), scratch.crypto());
  const std::string request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
  const std::string banner = "220 needle ESMTP\r\n";
  static std::uint8_t storage[kL7HelloBytes];
  const std::size_t before = g_taken;
  ASSERT_GT(before, 0u);
  EXPECT_EQ(l7.ask(L7Transport::Tcp, L7Side::Initiator, stream).app, App::Tls);
  EXPECT_EQ(l7.ask(L7Transport::Tcp, L7Side::Responder, bytes_of(banner)).app, App::Smtp);
  EXPECT_EQ(l7.ask(L7Transport::Udp, L7Side::Initiator, datagram).app, App::Quic);
  EXPECT_EQ(l7.patterns().scan_signatures(bytes_of(banner), scratch).drop, 0u);
  const auto name = [&](App app, std::span<const std::uint8_t> bytes) {
    return find_name(app, L7Transport::Tcp, bytes, scratch).name.text() == "a.example";
  };
  EXPECT_TRUE(name(App::Tls, stream));
  EXPECT_TRUE(name(App::Http, bytes_of(request)));
  QuicHello quic(storage);
  EXPECT_TRUE(quic.add(datagram, scratch).name.text() == "a.example");
  EXPECT_EQ(g_taken, before);
}

}  // namespace
}  // namespace sluice
