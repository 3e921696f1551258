"""pysmbc, as its users call it: pysmbc.py CREDENTIALS put|get|put_tree|get_tree|list|stat HERE URL

CREDENTIALS is a file with username= and password= lines. 8 MiB a request, one connection.
"""
import os
import sys

import smbc

CHUNK = 8 * 1024 * 1024
FOLDER = 7  # what a directory entry's smbc_type says


def connect(path):
    with open(path) as file:
        secrets = dict(line.rstrip("\n").split("=", 1) for line in file)
    return smbc.Context(auth_fn=lambda *_: ("WORKGROUP", secrets["username"], secrets["password"]))


def copy(source, target):
    while data := source.read(CHUNK):
        target.write(data)


def put(context, here, url):
    with open(here, "rb", buffering=0) as source:
        target = context.open(url, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        copy(source, target)
        target.close()


def get(context, here, url):
    with open(here, "wb", buffering=0) as target:
        source = context.open(url, os.O_RDONLY)
        copy(source, target)
        source.close()


def put_tree(context, here, url):
    context.mkdir(url, 0o755)
    for entry in os.scandir(here):
        (put_tree if entry.is_dir() else put)(context, entry.path, url + "/" + entry.name)


def entries(context, url):
    return [entry for entry in context.opendir(url).getdents() if entry.name not in (".", "..")]


def get_tree(context, here, url):
    os.makedirs(here, exist_ok=True)
    for entry in entries(context, url):
        (get_tree if entry.smbc_type == FOLDER else get)(context, here + "/" + entry.name, url + "/" + entry.name)


def list_folder(context, _, url):
    print("\n".join(entry.name for entry in entries(context, url)))


def stat(context, _, url):
    print(context.stat(url))


ACTIONS = {"put": put, "get": get, "put_tree": put_tree, "get_tree": get_tree, "list": list_folder, "stat": stat}

credentials, action, local, remote = sys.argv[1:]
ACTIONS[action](connect(credentials), local, remote)
