# How every C file of the project is compiled, and at_room(), the library of one folder of src/.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
if(ANYTAG_SANITIZE) # lines for its reports, no types and variables for a debugger
  set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
endif()

add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64)
add_compile_options(
  -fno-common -fstack-protector-strong
  # One rounding an operation unless the code says fma: the same bits from every compiler.
  -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wdouble-promotion)
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND NOT ANYTAG_SANITIZE)
  add_compile_options(-Wnull-dereference)
endif()
if(ANYTAG_WARNINGS_AS_ERRORS)
  add_compile_options(-Werror)
endif()
if(ANYTAG_SANITIZE)
  add_compile_options(-fsanitize=${ANYTAG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ANYTAG_SANITIZE})
endif()

# x86 kernel files carry their level in their name: gemm_avx2.c, gemm_avx512.c.
function(at_kernel_flags)
  # unrolled tiles hold thousands of loads: the compiler needs minutes for these checks of each (gcc 12:
  # 5 min for gemm_avx512.c, 20 s without); the address sanitizer sees wrong addresses all the same
  if(ANYTAG_SANITIZE MATCHES "undefined")
    set(light ";-fno-sanitize=null,alignment,object-size,bounds,pointer-overflow")
  elseif(ANYTAG_SANITIZE STREQUAL "thread")
    # A kernel has no threads: what it writes was cut out for it by the backend, which is watched, as are the
    # reference kernels. tools/run-tests.sh runs the programs on those too: the same cuts, every access seen.
    set(light ";-fno-sanitize=thread")
  else()
    set(light "")
  endif()
  foreach(file ${ARGN})
    set(avx512 "-mavx2;-mfma;-mf16c;-mbmi2;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512cd;-mprefer-vector-width=512")
    if(file MATCHES "_amx\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
        "${avx512};-mavx512vnni;-mavx512bf16;-mamx-tile;-mamx-int8;-mamx-bf16${light}")
    elseif(file MATCHES "_avx512bf16\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni;-mavx512bf16${light}")
    elseif(file MATCHES "_avx512vnni\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni${light}")
    elseif(file MATCHES "_avxvnni\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-mbmi2;-mavxvnni${light}")
    elseif(file MATCHES "_avx512\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${avx512}${light}")
    elseif(file MATCHES "_avx2\\.c$")
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-mbmi2${light}")
    endif()
  endforeach()
endfunction()

# at_room(name [ROOMS room...] [LINKS target...] [SUBDIRS dir...] [CONVERSION])
function(at_room name)
  cmake_parse_arguments(ARG "CONVERSION" "" "ROOMS;LINKS;SUBDIRS" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  set(globs ${dir}/*.c)
  foreach(sub ${ARG_SUBDIRS})
    list(APPEND globs ${dir}/${sub}/*.c)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${globs})
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(FILTER sources EXCLUDE REGEX "/x86/")
  endif()
  list(TRANSFORM ARG_ROOMS PREPEND at_)
  if(NOT sources) # a room still to be furnished
    add_library(at_${name} INTERFACE)
    target_link_libraries(at_${name} INTERFACE ${ARG_ROOMS} ${ARG_LINKS} m)
    return()
  endif()
  at_kernel_flags(${sources})
  add_library(at_${name} STATIC ${sources})
  target_include_directories(at_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  if(ARG_CONVERSION) # a silent narrowing of a file's size is a vulnerability
    target_compile_options(at_${name} PRIVATE -Wconversion -Wsign-conversion)
  endif()
  target_link_libraries(at_${name} PUBLIC ${ARG_ROOMS} ${ARG_LINKS} m)
  set_property(GLOBAL APPEND PROPERTY ANYTAG_ROOMS at_${name})
  set_property(GLOBAL APPEND PROPERTY ANYTAG_LINKS ${ARG_LINKS})
endfunction()
