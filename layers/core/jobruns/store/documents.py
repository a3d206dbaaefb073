"""Documents of the doors, their names, and the org's other definitions kept as one item each."""

from pynamodb.exceptions import DoesNotExist

from jobruns.documents import Document
from jobruns.errors import AlreadyExistsError, ConflictError
from jobruns.store import keys
from jobruns.store.definition_items import DocumentItem, NameItem
from jobruns.store.transaction import RefusedError, Transaction, TransactionalStore

PAGE = 1000
"""Most documents one page of a collection holds."""


def add_to(transaction: Transaction, document: Document) -> None:
    """Add a new document and its name to a transaction."""
    transaction.put(f"document {document.document_id}", _item(document), DocumentItem.pk.does_not_exist())
    transaction.put(f"name {document.name}", _name_item(document), NameItem.pk.does_not_exist())


def change_in(transaction: Transaction, document: Document) -> None:
    """Replace a document, whose version is one more than that stored, within a transaction. Its name stays."""
    transaction.put(f"change {document.document_id}", _item(document), DocumentItem.version == document.version - 1)


def explain(refusal: RefusedError) -> None:
    """Raise what a refused part of `add_to` or `change_in` means; return when none was refused."""
    for part in refusal.parts:
        word, _, what = part.partition(" ")
        if word == "name":
            raise AlreadyExistsError(f"the name {what!r} is taken; choose another", field="name") from None
        if word == "document":
            raise AlreadyExistsError(f"the id {what} is taken; choose another", field="id") from None
        if word == "change":
            raise ConflictError("it was changed by somebody else in the meantime; read it and try again") from None


class Documents(TransactionalStore):
    """Reads and writes documents."""

    def add(self, document: Document) -> None:
        """Write a new document.

        Raises
        ------
        AlreadyExistsError
            Its id or its name is taken.
        """
        transaction = self._begin()
        add_to(transaction, document)
        self._commit(transaction)

    def change(self, document: Document, *, was: Document) -> None:
        """Replace a document, and its name if that changed.

        Raises
        ------
        ConflictError
            It is not as `was` any more.
        AlreadyExistsError
            The new name is taken.
        """
        transaction = self._begin()
        change_in(transaction, document)
        if _name_key(document) != _name_key(was):
            transaction.delete("old name", _name_item(was))
            transaction.put(f"name {document.name}", _name_item(document), NameItem.pk.does_not_exist())
        elif document.expires_at != was.expires_at:
            transaction.put("same name", _name_item(document))
        self._commit(transaction)

    def remove(self, document: Document, *, unchanged: bool = False) -> None:
        """Delete a document and free its name; nothing happens where it is gone already.

        Raises
        ------
        ConflictError
            It must be `unchanged`, and is not as `document` any more.
        """
        transaction = self._begin()
        as_it_was = DocumentItem.pk.does_not_exist() | (DocumentItem.version == document.version)
        part = f"change {document.document_id}"
        transaction.delete(part, _item(document), as_it_was if unchanged else None)
        transaction.delete("old name", _name_item(document))
        self._commit(transaction)

    def get(self, org: str, collection: str, document_id: str) -> Document | None:
        """Read one document, consistently: one read."""
        try:
            return _read(DocumentItem.get(keys.document_pk(org, collection), document_id, consistent_read=True))
        except DoesNotExist:
            return None

    def find(self, org: str, collection: str, name: str, *, scope: str | None = None) -> Document | None:
        """Read a document by its name, consistently: two reads."""
        try:
            owner = NameItem.get(keys.name_pk(org, scope or collection), name, consistent_read=True)
        except DoesNotExist:
            return None
        return self.get(org, collection, owner.document_id)

    def page(
        self,
        org: str,
        collection: str,
        *,
        after: str | None = None,
        limit: int = PAGE,
        newest_first: bool = False,
    ) -> list[Document]:
        """Read documents of a collection by id, consistently, at most `limit`, beginning after the id `after`."""
        pk = keys.document_pk(org, collection)
        start = {"pk": {"S": pk}, "sk": {"S": after}} if after else None
        found = DocumentItem.query(
            pk,
            consistent_read=True,
            limit=limit,
            last_evaluated_key=start,
            scan_index_forward=not newest_first,
        )
        return [_read(item) for item in found]

    def _commit(self, transaction: Transaction) -> None:
        try:
            transaction.commit()
        except RefusedError as refusal:
            explain(refusal)
            raise


def _name_key(document: Document) -> tuple[str, str]:
    return document.name_scope or document.collection, document.name


def _name_item(document: Document) -> NameItem:
    scope, name = _name_key(document)
    pk = keys.name_pk(document.org, scope)
    return NameItem(pk=pk, sk=name, kind="name", document_id=document.document_id, expires_at=document.expires_at)


def _item(document: Document) -> DocumentItem:
    return DocumentItem(
        pk=keys.document_pk(document.org, document.collection),
        sk=document.document_id,
        kind="document",
        **document.model_dump(),
    )


def _read(item: DocumentItem) -> Document:
    fields: dict[str, object] = {name: getattr(item, name) for name in Document.model_fields}
    return Document.model_validate(fields)
