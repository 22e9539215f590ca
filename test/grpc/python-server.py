"""A gRPC server in Python that takes its listener from the mesh: python-server.py HOST:PORT NAME."""

import concurrent.futures
import sys

import grpc

address, name = sys.argv[1:]


def answer(request, context):
    return name.encode()


server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), xds=True)
handlers = {"Call": grpc.unary_unary_rpc_method_handler(answer)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Backend", handlers),))
server.add_insecure_port(address)
server.start()
server.wait_for_termination()
