package machine

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// pack writes what a folder holds into one compressed file that nobody else may read. It is written beside its place and appears
// there once it is whole; a file that is there already stays as it is.
func pack(folder, file string, look func(draft string) error) (err error) {
	draft := file + ".part"
	out, err := os.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there: another backup writes it, or one was broken off; see which, and remove it", draft)
	}
	if err != nil {
		return err
	}
	defer os.Remove(draft)
	defer out.Close()
	buffered := bufio.NewWriterSize(out, 1<<20)
	squeezed, _ := gzip.NewWriterLevel(buffered, gzip.BestSpeed) // the level is a valid one
	archive := tar.NewWriter(squeezed)
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		return add(archive, path, name, entry)
	}); err != nil {
		return err
	}
	if err := errors.Join(archive.Close(), squeezed.Close(), buffered.Flush(), out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := look(draft); err != nil {
		return err
	}
	return os.Link(draft, file) // which fails where something has come to be there, and a renaming would not
}

func add(archive *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if !entry.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder, and cannot be kept", name) // as a tablespace elsewhere
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	*header = tar.Header{Typeflag: header.Typeflag, Name: header.Name, Size: header.Size, ModTime: header.ModTime, Mode: 0o600}
	if header.Name = filepath.ToSlash(name); entry.IsDir() {
		header.Name, header.Mode = header.Name+"/", 0o700
	}
	if err := archive.WriteHeader(header); err != nil || entry.IsDir() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(archive, file)
	return err
}

// unpack reads what pack has written into an empty folder. The gzip checksum covers all of it.
func unpack(file, folder string, account account) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	spread, err := gzip.NewReader(bufio.NewReaderSize(in, 1<<20))
	if err != nil {
		return fmt.Errorf("%s is no backup of this stack: %w", file, err)
	}
	root, err := os.OpenRoot(folder) // nothing in the file reaches out of it
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(spread)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, spread) // to the end, where the checksum is
			if err != nil {
				return fmt.Errorf("%s is damaged: %w", file, err)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s is damaged: %w", file, err)
		}
		if err := take(root, header, archive, account); err != nil {
			return fmt.Errorf("%s cannot be read whole: %w", file, err)
		}
	}
}

func take(root *os.Root, header *tar.Header, content io.Reader, account account) error {
	name := filepath.Clean(filepath.FromSlash(header.Name))
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, 0o700); err != nil {
			return err
		}
	case tar.TypeReg:
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is neither a file nor a folder", name)
	}
	return account.own(filepath.Join(root.Name(), name))
}
